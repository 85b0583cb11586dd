"""Exact inference by variable elimination: order, junction tree, messages."""
