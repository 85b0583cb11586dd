"""Variational inference: guides fitted to a density, judged by importance ratios."""
