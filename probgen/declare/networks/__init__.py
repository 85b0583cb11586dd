"""Reading networks: pgmpy models, files, evidence by name."""
