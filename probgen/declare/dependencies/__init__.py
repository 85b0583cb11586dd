"""Which site depends on which: traced with provenance, and checked by perturbation."""
