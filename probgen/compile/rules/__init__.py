"""Lowering rules, one small file per family of operations; `RULES` is the whole table."""

from probgen.compile.rules import (
    indexing,
    joining,
    linear_algebra,
    pointwise,
    reductions,
    scans,
    scattering,
    sorting,
    special,
    spectra,
    views,
    writing,
)
from probgen.compile.rules.registry import RULES

__all__ = [
    "RULES",
    "indexing",
    "joining",
    "linear_algebra",
    "pointwise",
    "reductions",
    "scans",
    "scattering",
    "sorting",
    "special",
    "spectra",
    "views",
    "writing",
]
