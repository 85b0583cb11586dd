"""Inference in discrete networks: one file per algorithm, all of them over `Factors`."""
