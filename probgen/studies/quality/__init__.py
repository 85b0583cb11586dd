"""Sample quality of generative programs: `pg.metrics`."""

from probgen.studies.quality import metrics

__all__ = ["metrics"]
