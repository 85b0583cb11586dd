"""Blocks of variables that Gibbs draws jointly, so that hard constraints do not trap it."""
