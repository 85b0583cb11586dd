"""What can be wrong with a program and its data: one module per kind of fault."""
