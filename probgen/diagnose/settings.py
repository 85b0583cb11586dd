"""Settings of the run that the advice quotes: target acceptance, tree depth, warm-up.

They are read from the attributes of the tree: by their own name, or out of the printed method
(``NUTS(target_accept=0.9)``). A tree of another library may have none of them.
"""

import re
from typing import Any

import numpy as np

from probgen.diagnose.record import Record

NUMBER = r"=\s*([-+0-9.eE]+)"


def setting(record: Record, *names: str) -> float | None:
    """First of the named settings found among the attributes, as a number."""
    for name in names:
        value = as_number(record.attrs.get(name))
        if value is not None:
            return value
    printed = " ".join(str(value) for key, value in record.attrs.items() if "method" in key)
    for name in names:
        if match := re.search(rf"\b{name}{NUMBER}", printed):
            return as_number(match.group(1))
    return None


def as_number(value: Any) -> float | None:
    """A number out of an attribute (number, numeric text, array of one), else None."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return None
    return float(array.ravel()[0]) if array.size and np.isfinite(array).all() else None


def target_acceptance(record: Record) -> float | None:
    """Acceptance rate that the step size was tuned to."""
    return setting(record, "target_accept", "target_acceptance", "adapt_delta", "delta")


def depth_limit(record: Record) -> float | None:
    """Largest tree depth the sampler was allowed."""
    return setting(record, "max_tree_depth", "max_treedepth", "maxdepth")
