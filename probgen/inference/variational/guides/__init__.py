"""Guides over the flat unconstrained space: one file a family, all in double precision."""
