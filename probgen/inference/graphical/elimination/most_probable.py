"""Most probable states: of all variables, or of some with the others summed out."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probgen.errors import BuildError
from probgen.inference.graphical.elimination.conflict import impossible_evidence
from probgen.inference.graphical.elimination.memory import check_size
from probgen.inference.graphical.elimination.native_tree import IMPOSSIBLE, address, structure
from probgen.inference.graphical.elimination.numpy_tree import collect, log_sum, view_tables
from probgen.inference.graphical.elimination.plan import EliminationPlan, plan_elimination
from probgen.inference.graphical.elimination.spare import give_back, take
from probgen.inference.graphical.elimination.stoppable import run_stoppable
from probgen.inference.graphical.native.library import open_library
from probgen.targets.factors import Factors

__all__ = ["MostProbable", "most_probable", "most_probable_with_numpy"]


@dataclass(frozen=True, eq=False)
class MostProbable:
    """States that maximise, and what they reach.

    Attributes
    ----------
    states: int32 (n,), of the maximised variables; -1 for the others.
    log_maximum: nats, unnormalised: log of the sum over the others, at these states.
    plan: the elimination; engine: "native" or "numpy".
    seconds_order, seconds_search: what it took.

    """

    states: np.ndarray
    log_maximum: float
    plan: EliminationPlan
    engine: str
    seconds_order: float
    seconds_search: float


def most_probable(
    factors: Factors, variables: Sequence[int] | None = None, memory: float | None = None
) -> MostProbable:
    """The states of `variables` (all when None) with the largest posterior probability.

    Max-product elimination with traceback (Dawid 1992); others are summed out before (marginal
    MAP, Park & Darwiche 2004), which can need much larger tables. Of several best states, the
    first in the order of the clique tables is taken, the same one each time. Raises
    `TooLargeError` and `EvidenceError` like `calibrate`.
    """
    started = time.perf_counter()
    n = len(factors.free)
    maximised = n if variables is None else len(variables)
    stages = None
    if 0 < maximised < n:
        stages = np.zeros(n, dtype=np.int32)
        stages[list(variables or ())] = 1
    plan = plan_elimination(factors, stages)
    check_size(plan, factors, memory)
    ordered = time.perf_counter()
    engine = "native"
    try:
        states, log_maximum = _most_probable_natively(plan, factors, maximised)
    except BuildError:
        engine = "numpy"
        states, log_maximum = most_probable_with_numpy(plan, factors, maximised)
    if log_maximum == -np.inf:
        raise impossible_evidence(factors)
    seconds = time.perf_counter() - ordered
    return MostProbable(states, log_maximum, plan, engine, ordered - started, seconds)


def most_probable_with_numpy(
    plan: EliminationPlan, factors: Factors, maximised: int
) -> tuple[np.ndarray, float]:
    """States of the last `maximised` variables of the order and their log maximum (nats)."""
    tables = view_tables(plan, np.empty(int(plan.packed[4])))
    _, total = collect(plan, factors, tables, maximised)
    states = np.full(len(plan.order), -1, dtype=np.int32)
    last = set(plan.order[len(plan.order) - maximised :].tolist())
    if total == -np.inf:
        return states, total
    for k in reversed(range(len(tables))):
        clique, separator = plan.cliques[k], int(plan.separators[k])
        own = [int(v) for v in clique[separator:] if int(v) in last]
        if not own:
            continue
        row = tables[k][tuple(states[clique[:separator]])]
        best = int(log_sum(row, len(own)).argmax())
        states[own] = np.unravel_index(best, [int(plan.cards[v]) for v in own])
    return states, total


def _most_probable_natively(
    plan: EliminationPlan, factors: Factors, maximised: int
) -> tuple[np.ndarray, float]:
    library = open_library("junction_tree.cpp")
    flat = factors.flat
    states = np.full(len(plan.order), -1, dtype=np.int32)
    tables, messages = take(int(plan.packed[4])), np.empty(int(plan.packed[5]))
    log_maximum = ctypes.c_double()
    arrays = (flat.table_offsets, flat.log_tables, tables, messages)

    def call(stop: int) -> int:
        return library.junction_maximise(
            *structure(plan, factors), *map(address, arrays), ctypes.c_int64(maximised),
            ctypes.c_void_p(stop), address(states), ctypes.byref(log_maximum),
        )  # fmt: skip

    outcome = run_stoppable(call, plan.entries)
    give_back(tables)
    if outcome == IMPOSSIBLE:
        return states, -np.inf
    return states, log_maximum.value + factors.log_constant
