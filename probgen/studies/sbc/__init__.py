"""Simulation-based calibration: drawing, inferring, ranking, and judging the ranks."""
