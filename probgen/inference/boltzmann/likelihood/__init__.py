"""Likelihoods of Boltzmann machines: partition functions, exact or annealed, with their errors."""
