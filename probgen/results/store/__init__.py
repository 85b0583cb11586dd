"""Runs on disk: draws streamed to Zarr while they are made, and runs that go on bit for bit."""
