"""Samplers that move all chains together, one batch of gradients at a time."""
