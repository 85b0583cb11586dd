"""Warm-up adaptation: step size and metric."""
