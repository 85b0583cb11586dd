"""Native kernels of Boltzmann machines."""
