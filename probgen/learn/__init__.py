"""Learning: parameters and structures from data."""
