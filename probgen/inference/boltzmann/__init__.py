"""Inference in Boltzmann machines: sampling, tempering, likelihoods."""
