"""Variational learning: programs and their guides, trained together on one loop."""
