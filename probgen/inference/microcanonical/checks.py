"""Validation of the settings that MCLMC and MAMS share."""

from __future__ import annotations

from typing import Any

from probgen.errors import OptionError
from probgen.inference.hamiltonian import inside
from probgen.inference.microcanonical.settings import INTEGRATORS

__all__ = ["check_common"]

METRICS = ("diag", "low_rank")


def check_common(method: Any) -> None:
    """Raise `OptionError` for a metric, integrator, step size or length out of range."""
    name = method.name
    for option, known in (("metric", METRICS), ("integrator", tuple(INTEGRATORS))):
        value = getattr(method, option)
        if value not in known:
            raise OptionError(
                f"{name}({option}={value!r}): it must be one of {', '.join(map(repr, known))}."
            )
    for option in ("step_size", "length"):
        value = getattr(method, option)
        if value is not None and not inside(value, 0):
            raise OptionError(
                f"{name}({option}={value!r}): it must be positive, or None to adapt it."
            )
    if not inside(method.max_energy_error, 0):
        raise OptionError(
            f"{name}(max_energy_error={method.max_energy_error!r}): it must be positive; "
            "1000 is usual."
        )
