"""Reading declarations: Pyro programs, their sites and plates, and the dry run."""
