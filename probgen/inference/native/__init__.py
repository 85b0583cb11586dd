"""C++ sources of the samplers, built at first use."""
