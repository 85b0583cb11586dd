"""Likelihoods of programs with latent sites: by weighted draws of a guide, and by annealing."""
