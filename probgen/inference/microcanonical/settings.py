"""Settings of the microcanonical samplers, defined once for both engines.

They extend those of the Hamiltonian samplers, whose warm-up shapes their metric too; the
structures mirror `native/microcanonical_settings.hpp` field by field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np

from probgen.errors import OptionError
from probgen.inference.adapt.settings import Settings, make_settings

__all__ = ["INTEGRATORS", "MicrocanonicalSettings", "Tuning", "Tunings", "make_microcanonical"]

INTEGRATORS = {"leapfrog": 0, "mclachlan": 1}
"""Force evaluations of a step: one and two."""


class MicrocanonicalSettings(Settings):
    """All that a chain needs to know; see `microcanonical_settings.hpp`."""

    _fields_ = (  # type: ignore[assignment]  # a subclass adds to the fields of its base
        ("adjusted", ctypes.c_int64),
        ("integrator", ctypes.c_int64),
        ("steps_per_draw", ctypes.c_int64),
        ("target_energy_error", ctypes.c_double),
        ("length", ctypes.c_double),
        ("length_factor", ctypes.c_double),
        ("draws_per_length", ctypes.c_double),
        ("draws_per_length_warmup", ctypes.c_double),
        ("most_steps", ctypes.c_int64),
        ("most_steps_warmup", ctypes.c_int64),
        ("burn_in", ctypes.c_int64),
        ("forgetting_steps", ctypes.c_double),
    )


class Tuning(ctypes.Structure):
    """What is tuned beyond the metric: read on resuming, written by a chain while it runs."""

    _fields_ = (
        ("step_size", ctypes.c_double),
        ("length", ctypes.c_double),
        ("steps", ctypes.c_double),
        ("energy_error", ctypes.c_double),
    )


class Tunings:
    """The `Tuning` of every chain, over arrays with one row per chain."""

    def __init__(self, chains: int):
        self._values = np.zeros((chains, len(Tuning._fields_)))
        columns = {name: column for column, (name, _) in enumerate(Tuning._fields_)}
        self.arrays = {n: self._values[:, columns[n]] for n in ("length", "steps", "energy_error")}

    def of(self, chain: int) -> Tuning:
        """One chain's, sharing its memory."""
        return Tuning.from_buffer(self._values[chain])

    def take(self, given: Mapping[str, np.ndarray], method: str) -> dict[str, np.ndarray]:
        """Take lengths and steps of an earlier run; the rest of what it learnt is handed back.

        Raises `OptionError` when they are missing or no positive numbers.
        """
        rest = dict(given)
        for name in ("length", "steps"):
            value = np.asarray(rest.pop(name, np.nan), dtype=np.float64)
            if value.shape != self.arrays[name].shape or not (value > 0).all():
                raise OptionError(
                    f"adapted: what that run learnt does not fit {method}, which needs a positive "
                    f"{name!r} for every chain; give the result of an earlier run of {method}."
                )
            self.arrays[name][...] = value
        return rest


# Lengths in autocorrelation times as in Robnik et al. (2023, 2025).
_DEFAULTS: dict[str, Any] = {
    "prior_draws": 5.0,  # a steadier metric: its noise would enter the energy error
    "prior_directions": 5.0,
    "draws_per_length": 0.5,
    "draws_per_length_warmup": 2.0,
    "most_steps": 1024,
    "most_steps_warmup": 16,
    "forgetting_steps": 150.0,
    "max_energy_error": 1000.0,
}

_BURN_IN = 80


def make_microcanonical(metric: str, **values: Any) -> MicrocanonicalSettings:
    """Settings with the defaults, the named metric and the given `values`."""
    own = {name for name, *_ in MicrocanonicalSettings._fields_}
    merged = {**_DEFAULTS, "burn_in": min(_BURN_IN, values["warmup"] // 5), **values}
    common = make_settings(metric, **{n: v for n, v in merged.items() if n not in own})
    settings = MicrocanonicalSettings(**{n: v for n, v in merged.items() if n in own})
    for name, *_ in Settings._fields_:
        setattr(settings, name, getattr(common, name))
    return settings
