"""Sweeps of Swendsen-Wang: native, and the same in numpy for machines without a compiler.

Both take the same random numbers, a function of (key, sweep, edge or cluster, chain) alone, and
hence make the same draws.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probgen.inference.graphical.clusters.model import Ferromagnet
from probgen.inference.graphical.native.counter_random import uniforms
from probgen.inference.graphical.native.library import open_library

__all__ = ["NativeSweep", "NumpySweep", "Sweep"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A ferromagnet made ready: opening probabilities and weights of open edges."""

    model: Ferromagnet

    @cached_property
    def open(self) -> np.ndarray:
        """Probability that an edge whose ends agree in state k is open, (E, K)."""
        return -np.expm1(-self.model.coupling)

    @cached_property
    def weight(self) -> np.ndarray | None:
        """log(exp(c) - 1) of every edge and state, (E, K); None when no state differs."""
        coupling = self.model.coupling
        own = self.model.cards[self.model.ends[:, 0]][:, None]
        inside = np.arange(coupling.shape[1]) < own
        first = coupling[:, :1]
        if np.all((coupling == first) | ~inside):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.log(np.expm1(coupling))
        return np.where(np.isinf(coupling) | ~inside, 0.0, weight)


class _NativeModel(ctypes.Structure):
    _fields_ = (
        ("vertices", ctypes.c_int64),
        ("edges", ctypes.c_int64),
        ("stride", ctypes.c_int64),
        ("cards", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("field", ctypes.c_void_p),
    )


class NativeSweep(Sweep):
    """Sweeps in C++; raises `BuildError` on use where there is no compiler."""

    engine = "native"

    @cached_property
    def _native(self) -> tuple[_NativeModel, tuple[np.ndarray | None, ...]]:
        model = self.model
        arrays = (
            np.ascontiguousarray(model.cards, dtype=np.int32),
            np.ascontiguousarray(model.ends, dtype=np.int32),
            np.ascontiguousarray(self.open),
            None if self.weight is None else np.ascontiguousarray(self.weight),
            np.ascontiguousarray(model.field),
        )
        sizes = (len(model.cards), len(model.ends), model.field.shape[1])
        return _NativeModel(*sizes, *map(_address, arrays)), arrays

    @cached_property
    def library(self) -> ctypes.CDLL:
        """The compiled sampler."""
        return open_library("swendsen_wang.cpp")

    def __call__(
        self,
        states: np.ndarray,
        key: int,
        first_sweep: int,
        sweeps: int,
        chains: range,
        draws: np.ndarray | None = None,
        sums: np.ndarray | None = None,
    ) -> None:
        """Sweep some chains of `states` (C, n) uint8 in place.

        States after each sweep go to `draws` (C, sweeps, n), state probabilities given the
        clusters are added to `sums` (C, n, K).
        """
        self.library.probgen_swendsen_wang(
            ctypes.byref(self._native[0]),
            ctypes.c_void_p(states.ctypes.data),
            ctypes.c_uint64(key),
            ctypes.c_uint64(first_sweep),
            ctypes.c_int64(sweeps),
            ctypes.c_int64(chains.start),
            ctypes.c_int64(chains.stop),
            ctypes.c_void_p(_address(draws)),
            ctypes.c_int64(0 if draws is None else draws.strides[0]),
            ctypes.c_void_p(_address(sums)),
        )


def _address(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


class NumpySweep(Sweep):
    """The same sweeps with scipy's connected components, some 20 times slower."""

    engine = "numpy"

    def __call__(
        self,
        states: np.ndarray,
        key: int,
        first_sweep: int,
        sweeps: int,
        chains: range,
        draws: np.ndarray | None = None,
        sums: np.ndarray | None = None,
    ) -> None:
        """See `NativeSweep`."""
        for chain in chains:
            for t in range(sweeps):
                drawn, probability = self._sweep(states[chain], key, first_sweep + t, chain)
                states[chain] = drawn
                if draws is not None:
                    draws[chain, t] = drawn
                if sums is not None:
                    sums[chain] += probability

    def _sweep(
        self, states: np.ndarray, key: int, sweep: int, chain: int
    ) -> tuple[np.ndarray, np.ndarray]:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        model, n = self.model, len(self.model.cards)
        numbers = len(model.ends) + n
        uniform = uniforms(key, sweep * numbers + np.arange(numbers), chain)
        a, b = model.ends.T
        threshold = self.open[np.arange(len(a)), states[a]] if len(a) else np.zeros(0)
        opened = (states[a] == states[b]) & (uniform[: len(a)] < threshold)
        joined = coo_array((np.ones(opened.sum()), (a[opened], b[opened])), shape=(n, n))
        count, cluster = connected_components(joined, directed=False)
        log_weight = np.zeros((count, model.field.shape[1]))
        np.add.at(log_weight, cluster, model.field)
        if self.weight is not None:
            np.add.at(log_weight, cluster[a[opened]], self.weight[opened])
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        root = np.unique(cluster, return_index=True)[1]
        target = uniform[len(a) + root] * weight.sum(axis=1)
        below = np.cumsum(weight, axis=1) - weight
        legal = (weight > 0) & ((target[:, None] >= below) | (below == 0))
        chosen = legal.shape[1] - 1 - legal[:, ::-1].argmax(axis=1)
        probability = weight / weight.sum(axis=1, keepdims=True)
        return chosen[cluster].astype(np.uint8), probability[cluster]
