"""Markov chains with a learnt transport: NeuTra, flow proposals, and tempering to find modes."""
