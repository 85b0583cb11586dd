"""The ladder: rungs that every inference method must climb, each in a file of its own."""
