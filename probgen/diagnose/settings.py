"""Settings of the run that the advice quotes: target acceptance, tree depth, metric.

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


def method_of(record: Record) -> str:
    """Name of the method of ours that made the draws; "" for another library's."""
    ours = record.attrs.get("inference_library") == "probgen"
    return str(record.attrs.get("method", "")) if ours else ""


def follow_correlations(record: Record) -> str:
    """What helps against strong correlations, beyond what the method at hand does already."""
    remove = "take the correlation out of the model (centre predictors, sum-to-zero effects)"
    method, settings = method_of(record), str(record.attrs.get("method_settings", ""))
    if "metric='dense'" in settings:
        return f"{remove}, or give a longer warm-up"
    dense = f'use a dense metric ({method or "NUTS"}(metric="dense"))'
    if method == "ChEES":
        dense = 'sample with NUTS(metric="dense")'
    return f"{remove}, or {dense}"


def smaller_steps(record: Record) -> str:
    """The setting of the method that makes its steps smaller; "" when that is used up."""
    method, settings = method_of(record), str(record.attrs.get("method_settings", ""))
    if fixed := re.search(rf"\bstep_size{NUMBER}", settings):
        return f"take a smaller step_size (now {fixed.group(1)})"
    if method == "TemperedSMC":
        return "raise moves or draws"  # its steps follow from the particles' acceptance
    if method == "MCLMC":
        error = setting(record, "target_energy_error")
        return "lower target_energy_error" + (
            f" to {error / 10:g} (now {error:g})" if error is not None else ""
        )
    target = target_acceptance(record)
    if target is None:
        return "raise target_accept to 0.95"
    if target >= 0.99:
        return ""
    return f"raise target_accept to {0.95 if target < 0.95 else 0.99:g} (now {target:g})"
