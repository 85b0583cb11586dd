"""Summing discrete latent sites out of a program's density, and drawing them afterwards."""
