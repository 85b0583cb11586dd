"""Draws blocks of variables jointly from their exact conditionals, for all chains at once."""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from probgen.errors import BuildError
from probgen.inference.graphical.blocks.buckets import make_buckets
from probgen.inference.graphical.blocks.plan import BlockPlan
from probgen.inference.graphical.blocks.program import Program
from probgen.inference.graphical.blocks.twin import draw_block
from probgen.inference.graphical.native.counter_random import uniforms
from probgen.inference.graphical.native.library import open_library
from probgen.targets.factors import Factors

__all__ = ["BlockSampler"]

FEW, MANY = 2, 16
"""Chains that native code works on at once."""
# Blocks draw from a stream of their own: single-site sweeps use the same key, sweep and variable.
_STREAM = 0xB10C5
_TWIN_NUMBERS = 2**24
_ALIGNMENT = 64


class BlockSampler:
    """The joint draws of a plan's blocks.

    `library` is the compiled `block_sweep.cpp`; None opens it, or falls back to numpy without a
    compiler. Attribute `engine` is "native" or "numpy".

    Example:
        >>> from probgen.declare.network import Factor, Network
        >>> from probgen.inference.graphical.blocks.plan import plan_blocks
        >>> from probgen.targets.factors import condition
        >>> same = Factor((0, 1), np.log([[1.0, 1e-300], [1e-300, 1.0]]))
        >>> factors = condition(Network(("a", "b"), ((0, 1),) * 2, (same,)))
        >>> sampler = BlockSampler(factors, BlockPlan(((0, 1),), True, ""))
        >>> states = np.zeros((2, 1000), dtype=np.uint8)
        >>> sampler.sweep(states, key=1, sweep_index=0)
        >>> bool((states[0] == states[1]).all()), bool(0.4 < states.mean() < 0.6)
        (True, True)

    """

    def __init__(self, factors: Factors, plan: BlockPlan, library: ctypes.CDLL | None = None):
        self._blocks = [make_buckets(factors, block) for block in plan.blocks]
        self._variables = len(factors.cards)
        self._program = Program(self._blocks, self._variables)
        self._local = threading.local()
        self._pool: ThreadPoolExecutor | None = None
        self._threads = 0
        self._library: ctypes.CDLL | None = library
        if library is None:
            try:
                self._library = open_library("block_sweep.cpp")
            except BuildError:
                self._library = None
        self.engine = "numpy" if self._library is None else "native"

    def sweep(
        self,
        states: np.ndarray,
        key: int,
        sweep_index: int,
        *,
        first_chain: int = 0,
        threads: int = 1,
    ) -> None:
        """Draw every block once, in the plan's order, in place.

        `states` is (free variables, chains), uint8 or uint16, of positive probability; it may be
        a slice of chains. Draws depend on `key`, `sweep_index` and the chain's number, counted
        from `first_chain`, alone. Several threads may call it for different chains. Raises
        `SamplingError` for chains at impossible states.
        """
        if not self._blocks or states.shape[1] == 0:
            return
        if states.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"states must be uint8 or uint16, not {states.dtype}")
        if states.shape[1] > 1 and states.strides[1] != states.itemsize:
            raise ValueError("the chains of one variable must lie side by side in memory")
        key = (key ^ _STREAM) % 2**64
        if self._library is None:
            self._sweep_numpy(states, key, sweep_index, first_chain)
            return
        parts = _parts(states.shape[1], threads)
        if len(parts) == 1:
            self._sweep_native(states, key, sweep_index, first_chain)
            return
        if self._pool is None or self._threads != len(parts):
            self._pool, self._threads = ThreadPoolExecutor(len(parts)), len(parts)
        jobs = [
            self._pool.submit(
                self._sweep_native, states[:, begin:end], key, sweep_index, first_chain + begin
            )
            for begin, end in parts
        ]
        for job in jobs:
            job.result()

    def _sweep_native(self, states: np.ndarray, key: int, index: int, first_chain: int) -> None:
        chains = states.shape[1]
        width = "few" if chains <= FEW else "many"
        wide = states.dtype == np.uint16
        function = getattr(self._library, f"probgen_block_sweep_{width}_{'u16' if wide else 'u8'}")
        function.restype = ctypes.c_int64
        work, saved = self._workspace()
        failures = np.zeros((len(self._blocks), chains), dtype=np.uint8)
        failed = function(
            ctypes.byref(self._program.pointers), ctypes.c_void_p(states.ctypes.data),
            ctypes.c_int64(chains), ctypes.c_int64(states.strides[0] // states.itemsize),
            ctypes.c_uint64(key), ctypes.c_uint64(index % 2**64),
            ctypes.c_uint64(first_chain), ctypes.c_void_p(work.ctypes.data),
            ctypes.c_void_p(saved.ctypes.data), ctypes.c_void_p(failures.ctypes.data),
        )  # fmt: skip
        if failed:
            for b in np.flatnonzero(failures.any(axis=1)):
                self._draw_numpy(
                    int(b), states, np.flatnonzero(failures[b]), key, index, first_chain
                )

    def _sweep_numpy(self, states: np.ndarray, key: int, index: int, first_chain: int) -> None:
        for b, (buckets, _) in enumerate(self._blocks):
            entries = sum(bucket.entries for bucket in buckets if bucket.inputs)
            at_once = max(1, _TWIN_NUMBERS // max(entries, 1))
            for begin in range(0, states.shape[1], at_once):
                chains = np.arange(begin, min(begin + at_once, states.shape[1]))
                self._draw_numpy(b, states, chains, key, index, first_chain)

    def _draw_numpy(
        self, b: int, states: np.ndarray, chains: np.ndarray, key: int, index: int, first: int
    ) -> None:
        buckets, slices = self._blocks[b]
        cells = len(self._blocks) * self._variables
        randoms = {
            bucket.variable: uniforms(
                key, index * cells + b * self._variables + bucket.variable, chains + first
            )
            for bucket in buckets
        }
        part = np.ascontiguousarray(states[:, chains])
        draw_block(buckets, slices, part, randoms)
        states[:, chains] = part

    def _workspace(self) -> tuple[np.ndarray, np.ndarray]:
        """Scratch of the calling thread."""
        if not hasattr(self._local, "arrays"):
            work = np.empty(self._program.rows * MANY + _ALIGNMENT // 8)
            work = work[-work.ctypes.data % _ALIGNMENT // 8 :]
            saved = np.empty(self._program.longest * MANY, dtype=np.uint16)
            self._local.arrays = work, saved
        return self._local.arrays


def _parts(chains: int, threads: int) -> Sequence[tuple[int, int]]:
    """Whole groups of chains for each thread."""
    groups = -(-chains // MANY)
    threads = max(1, min(threads, groups))
    edges = [min(chains, MANY * (groups * t // threads)) for t in range(threads + 1)]
    return list(itertools.pairwise(edges))
