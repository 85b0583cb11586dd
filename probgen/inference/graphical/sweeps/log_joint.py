"""The unnormalised log probability of many joint states at once, native."""

from __future__ import annotations

import ctypes

import numpy as np

from probgen.errors import BuildError
from probgen.inference.graphical.native.library import open_library
from probgen.inference.graphical.sweeps.native import NetworkView
from probgen.targets.factors import Factors

__all__ = ["LogJoint", "log_joint"]


class LogJoint:
    """Log joint (nats, unnormalised) of a network's free variables, for repeated use."""

    def __init__(self, factors: Factors):
        self._factors = factors
        self._view = NetworkView(factors.flat)
        try:
            self._library: ctypes.CDLL | None = open_library("log_joint.cpp")
        except BuildError:
            self._library = None

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """Of `states` (..., variable, chain) uint8: (..., chain) float64."""
        states = np.ascontiguousarray(states)
        lead, chains = states.shape[:-2], states.shape[-1]
        if self._library is None or states.dtype != np.uint8:
            return self._factors.log_joint(np.moveaxis(states, -2, -1))
        out = np.empty((*lead, chains))
        self._library.probgen_log_joint(
            ctypes.byref(self._view.network), ctypes.c_double(self._factors.log_constant),
            ctypes.c_void_p(states.ctypes.data), ctypes.c_int64(int(np.prod(lead))),
            ctypes.c_int64(chains), ctypes.c_void_p(out.ctypes.data),
        )  # fmt: skip
        return out


def log_joint(factors: Factors, states: np.ndarray) -> np.ndarray:
    """Log joint (nats) of `states` (..., variable, chain): (..., chain)."""
    return LogJoint(factors)(states)
