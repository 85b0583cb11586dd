"""Guides that are programs: trained by Pyro, drawn from, and judged against the model."""
