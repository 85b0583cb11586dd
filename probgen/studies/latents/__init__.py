"""Pictures of programs with latents that a network decodes: draws, reconstructions, traversals."""
