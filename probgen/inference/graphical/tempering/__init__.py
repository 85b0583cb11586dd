"""Paths from an easy law to the network: ladders, walks along them, and what they tell."""
