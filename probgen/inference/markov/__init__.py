"""Markov chains as models: laws, mixing, simulation, estimation."""
