"""Calls of `native/junction_tree.cpp`: calibration, marginals and draws."""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.elimination.plan import EliminationPlan
from probgen.inference.graphical.elimination.spare import give_back, take
from probgen.inference.graphical.elimination.stoppable import run_stoppable
from probgen.inference.graphical.native.library import open_library
from probgen.targets.factors import Factors

__all__ = ["IMPOSSIBLE", "NativeTree", "address", "structure"]

IMPOSSIBLE = 1
DOMAINS = ("linear", "log")


@dataclass(frozen=True, eq=False)
class NativeTree:
    """Calibrated tables in the hands of native code.

    Attributes
    ----------
    tables, separators: joint probabilities of cliques and of the separators above them, flat.
    log_z: nats; -inf when everything is impossible, and then nothing else is defined.
    domain: "linear", or "log" where the linear domain would have lost precision.

    """

    plan: EliminationPlan
    factors: Factors
    tables: np.ndarray
    separators: np.ndarray
    log_z: float
    domain: str

    @staticmethod
    def calibrate(plan: EliminationPlan, factors: Factors, domain: str = "linear") -> NativeTree:
        """Pass messages; "log" as `domain` insists on it."""
        library = open_library("junction_tree.cpp")
        tables = take(int(plan.packed[4]))
        separators, messages = np.empty((2, int(plan.packed[5])))
        used = ctypes.c_int32(DOMAINS.index(domain))
        log_z = ctypes.c_double()
        flat = factors.flat
        arrays = (flat.table_offsets, flat.log_tables, tables, messages, separators)

        def call(stop: int) -> int:
            return library.junction_calibrate(
                *structure(plan, factors), *map(address, arrays), ctypes.c_void_p(stop),
                ctypes.byref(used), ctypes.byref(log_z),
            )  # fmt: skip

        outcome = run_stoppable(call, plan.entries)
        total = -np.inf if outcome == IMPOSSIBLE else log_z.value + factors.log_constant
        tree = NativeTree(plan, factors, tables, separators, total, DOMAINS[used.value])
        weakref.finalize(tree, give_back, tables)
        return tree

    def marginals(self, offsets: np.ndarray) -> np.ndarray:
        """Probabilities of all variables' states, those of variable v from `offsets[v]`."""
        out = np.empty(int(offsets[-1]))
        self._read("junction_marginals", offsets, out)
        return out

    def factor_marginals(self) -> np.ndarray:
        """Posteriors over all factors' scopes, flat, at `factors.flat.table_offsets`."""
        flat = self.factors.flat
        out = np.empty(int(flat.table_offsets[-1]))
        self._read("junction_factors", flat.table_offsets, out)
        return out

    def draw(self, first: int, count: int, key: int) -> np.ndarray:
        """Joint draws number first, first + 1, ... of the stream `key`: (count, n)."""
        library = open_library("junction_tree.cpp")
        cards = self.factors.cards
        kind = np.uint8 if cards.max(initial=0) <= 256 else np.uint16
        states = np.empty((count, len(cards)), dtype=kind)

        def call(stop: int) -> int:
            packed, flat_cards = structure(self.plan, self.factors)[:2]
            return library.junction_draw(
                packed, flat_cards, address(self.tables), ctypes.c_uint64(key),
                ctypes.c_int64(first), ctypes.c_int64(count), states.itemsize,
                address(states), ctypes.c_void_p(stop),
            )  # fmt: skip

        run_stoppable(call, float(count) * len(cards))
        return states

    def _read(self, name: str, offsets: np.ndarray, out: np.ndarray) -> None:
        function = open_library("junction_tree.cpp")[name]
        arrays = (self.tables, self.separators, offsets, out)

        def call(stop: int) -> int:
            function(*structure(self.plan, self.factors), *map(address, arrays))
            return 0

        run_stoppable(call, self.plan.entries)


def structure(plan: EliminationPlan, factors: Factors) -> tuple[ctypes.c_void_p, ...]:
    """The first arguments of every native call: plan, cards and scopes."""
    flat = factors.flat
    return tuple(map(address, (plan.packed, flat.cards, flat.scope_offsets, flat.scopes)))


def address(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array's numbers are."""
    return ctypes.c_void_p(array.ctypes.data)
