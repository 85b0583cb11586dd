"""Draws to ArviZ DataTrees, and posterior predictions."""
