"""One file per model of posteriordb; see `tests.conformance`."""
