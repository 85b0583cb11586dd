"""The one inference layer: methods as values, one file per algorithm."""
