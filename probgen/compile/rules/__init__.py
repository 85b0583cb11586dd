"""Lowering rules, one small file per family of operations."""
