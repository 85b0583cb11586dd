"""Approximate Bayesian computation: latents of programs that can be simulated, not scored."""
