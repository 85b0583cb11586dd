"""Modes of log densities: L-BFGS, its line search, and the normal approximations it gives."""
