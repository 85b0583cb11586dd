"""Boltzmann machines in layers: units, energies, conditional distributions."""
