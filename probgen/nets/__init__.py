"""Network parts that programs are built from; torch and Pyro only."""
