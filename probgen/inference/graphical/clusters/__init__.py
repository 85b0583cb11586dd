"""Clusters of attracting pairs: the model, the sweep and its marginals."""
