"""Designs, priors and model families that several posteriors share."""
