"""Learning discrete networks: parameters and structure."""
