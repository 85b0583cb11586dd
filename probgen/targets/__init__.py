"""What inference sees of a model: densities over flat unconstrained vectors."""
