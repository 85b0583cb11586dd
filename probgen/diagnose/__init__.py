"""What only looks at results: verdicts with plain advice."""
