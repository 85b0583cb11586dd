"""Columns of the mesquite bushes."""

MEASURES = ("diam1", "diam2", "canopy_height", "total_height", "density")
VOLUME = ("diam1", "diam2", "canopy_height")
AREA = ("diam1", "diam2")
