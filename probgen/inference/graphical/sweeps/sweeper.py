"""Single-site Gibbs sweeps of many chains: the shared engine of Gibbs, tempering and annealing.

States are (variable, chain), chains innermost. Draws depend on the key, the number of the sweep,
the variable and the number of the chain alone, not on threads or on how chains are cut.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np

from probgen.errors import OptionError, SamplingError
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.sweeps.colouring import Colouring, colour
from probgen.inference.graphical.sweeps.native import KINDS, NativeModel, Task
from probgen.targets.factors import Factors

__all__ = ["MOST_STATES", "TABLE_BUDGET", "Sweeper"]

MOST_STATES = 255
"""Of a variable: states are bytes, and one value is kept for "none possible"."""

TABLE_BUDGET = 1 << 21
"""Bytes that merged tables may take in all, so that they stay in a core's own cache."""
STRIP = 64
LEAST_WORK = 1_000_000
"""Updates below which a call is not shared among threads."""


class Sweeper:
    """Updates every free variable of a network in turn, from its conditional distribution.

    Args:
        factors: the network with its evidence put in.
        log_tables: nats; stand in for those of `factors`, such as tempered ones (same scopes).
        merge: tables around a variable are multiplied together up to this many entries;
            None finds the largest number with which all stay in the cache.
        fast_paths: whether binary neighbours with equal tables are told apart by their number
            only (Ising models with uniform couplings and the like).
        library: the compiled `gibbs.cpp`; None opens it.

    Raises `BuildError` without a compiler and `OptionError` for variables of more than 255
    states; `torch_sweeps` serves those.

    """

    name = "native"
    state_type = np.uint8

    def __init__(
        self,
        factors: Factors,
        *,
        log_tables: Sequence[np.ndarray] | None = None,
        merge: int | None = None,
        fast_paths: bool = True,
        library: ctypes.CDLL | None = None,
    ):
        if len(factors.cards) and int(factors.cards.max()) > MOST_STATES:
            raise OptionError(
                f"Native sweeps take variables of at most {MOST_STATES} states; use TorchSweeper."
            )
        flat = factors.flat
        if log_tables is not None:
            values = np.concatenate([np.ravel(t) for t in log_tables] or [np.zeros(0)])
            if values.shape != flat.log_tables.shape:
                raise OptionError("log_tables must have the shapes of the factors' own tables.")
            flat = replace(flat, log_tables=values)
        self.factors = factors
        self.colouring: Colouring = colour(factors)
        self.order = self.colouring.order
        self.offsets = state_offsets(factors.cards)
        self.native = NativeModel(flat, self.order, merge or 0, TABLE_BUDGET, fast_paths, library)
        self.update_count = 0
        self._subset = (b"-", self.order)

    @property
    def kinds(self) -> dict[str, int]:
        """How many variables each kind of update serves."""
        found = np.bincount(self.native.kinds, minlength=len(KINDS))
        return {name: int(count) for name, count in zip(KINDS, found, strict=True) if count}

    def sweep(
        self,
        states: np.ndarray,
        key: int,
        first_sweep: int,
        sweeps: int,
        *,
        first_chain: int = 0,
        subset: np.ndarray | None = None,
        threads: int = 1,
        counts: np.ndarray | None = None,
        draws: np.ndarray | None = None,
        thin: int = 1,
    ) -> None:
        """Make `sweeps` sweeps in place.

        Args:
            states: (variable, chain) uint8, contiguous.
            key: of the random numbers; its lowest 64 bits count.
            first_sweep: number of the first sweep: a run cut in two must go on counting.
            sweeps: how many.
            first_chain: number of the chain in column 0.
            subset: update these variables only.
            threads: at most so many; a thread takes at least 64 chains.
            counts: (all states, chain) uint32, variable after variable: after every sweep, one
                is added to the state of each updated variable.
            draws: (sweeps // thin, variable, chain) uint8, takes the states of every `thin`-th
                sweep.
            thin: see `draws`.

        Raises `SamplingError` when some variable has no possible state given the others.

        """
        variables, chains = len(self.offsets) - 1, states.shape[1]
        check_array("states", states, np.uint8, (variables, chains))
        if counts is not None:
            check_array("counts", counts, np.uint32, (int(self.offsets[-1]), chains))
        if draws is not None:
            check_array("draws", draws, np.uint8, (sweeps // thin, variables, chains))
        order = self._order_of(subset)
        if not len(order) or not chains or not sweeps:
            if draws is not None:
                draws[...] = states
            return
        trouble = np.zeros(2, dtype=np.int32)
        task = Task(
            states.ctypes.data, chains, 0, chains, key & (2**64 - 1), first_sweep, sweeps,
            first_chain, order.ctypes.data, len(order),
            None if counts is None else counts.ctypes.data, self.offsets.ctypes.data,
            None if draws is None else draws.ctypes.data, thin, trouble.ctypes.data,
        )  # fmt: skip
        if any(self._run(task, first_chain, chains, threads)):
            raise SamplingError(
                f"No state of {self.factors.name(int(trouble[0]))!r} is possible given the "
                f"others, in chain {first_chain + int(trouble[1])}: the chain stands on a joint "
                "state of probability zero. Start from states of positive probability."
            )
        self.update_count += len(order) * chains * sweeps

    def _order_of(self, subset: np.ndarray | None) -> np.ndarray:
        if subset is None:
            return self.order
        wanted = np.asarray(subset, dtype=np.int64).tobytes()
        if wanted != self._subset[0]:
            order = self.order[np.isin(self.order, subset)]
            self._subset = (wanted, np.ascontiguousarray(order, dtype=np.int32))
        return self._subset[1]

    def _run(self, task: Task, first_chain: int, chains: int, threads: int) -> list[int]:
        """Cut chains at multiples of a strip and give each thread a share."""
        lowest, highest = first_chain // STRIP, (first_chain + chains - 1) // STRIP + 1
        work = task.updates * task.sweeps * chains
        workers = max(1, min(threads, highest - lowest, work // LEAST_WORK))
        if workers == 1:
            return [self.native.run(task)]
        edges = np.linspace(lowest, highest, workers + 1).astype(int) * STRIP
        edges = np.clip(edges, first_chain, first_chain + chains)
        tasks = []
        for begin, end in pairwise(edges):
            share = Task.from_buffer_copy(task)
            share.first_column, share.chains = int(begin - first_chain), int(end - begin)
            tasks.append(share)
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(self.native.run, tasks))


def check_array(name: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    """Native code writes into this array: it must be exactly as agreed."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise OptionError(
            f"{name} must be a contiguous {np.dtype(dtype).name} array of shape {shape}; "
            f"got {array.dtype} {array.shape}."
        )
