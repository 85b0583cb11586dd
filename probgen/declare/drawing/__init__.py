"""Pictures of programs and networks: nodes in rows, plates as boxes, factors as squares."""
