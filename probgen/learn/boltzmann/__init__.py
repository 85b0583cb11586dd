"""Learning Boltzmann machines: gradients of their likelihood from samples, or exact."""
