"""Seconds and counts in units that read well."""

from __future__ import annotations

import math

__all__ = ["duration", "thousands"]


def duration(seconds: float) -> str:
    """Seconds in a unit that reads well."""
    if not math.isfinite(seconds):
        return "-" if math.isnan(seconds) else "never"
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1e6 * seconds:.3g} µs"


def thousands(number: float) -> str:
    """A count that may be large: 812, 15.3k, 2.4M."""
    if not math.isfinite(number):
        return "-" if math.isnan(number) else "inf"
    if number >= 1e6:
        return f"{number / 1e6:.3g}M"
    return f"{number / 1e3:.3g}k" if number >= 1e3 else f"{number:.3g}"
