"""`python -m probgen.cli` is the `probgen` command."""

from probgen.cli import main

main()
