"""Message passing in native code: `native/belief_propagation.cpp` through ctypes."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.messages.graph import MessageGraph, address, aligned, impossible
from probgen.inference.graphical.native.library import open_library

__all__ = ["SCHEDULES", "NativeMessages", "open_messages"]

SCHEDULES = ("flooding", "sequential", "residual")


@dataclass(frozen=True)
class NativeMessages:
    """The operations of belief propagation on the arrays of a `MessageGraph`."""

    library: ctypes.CDLL
    engine: str = "native"

    def run(
        self,
        graph: MessageGraph,
        messages: np.ndarray,
        *,
        maximum: bool,
        schedule: str,
        damping: float,
        first: int,
        sweeps: int,
        tolerance: float,
    ) -> np.ndarray:
        """Pass messages in place for up to `sweeps` sweeps; the largest change in each.

        A change is that of a number in a message whose largest number is 1. Stops early when
        none reaches `tolerance`. Raises `EvidenceError` when a
        variable has no possible state.
        """
        residuals = np.empty(sweeps)
        done = self.library.probgen_pass_messages(
            ctypes.byref(graph.native), address(messages), int(maximum),
            SCHEDULES.index(schedule), ctypes.c_double(damping), ctypes.c_int64(first),
            ctypes.c_int64(sweeps), ctypes.c_double(tolerance), address(residuals),
        )  # fmt: skip
        if done < 0:
            raise impossible(graph.factors, -1 - done)
        return residuals[:done]

    def beliefs(
        self, graph: MessageGraph, messages: np.ndarray, *, with_factors: bool
    ) -> tuple[np.ndarray, np.ndarray | None, float]:
        """Flat beliefs of variables and factors, and the Bethe log partition function (nats)."""
        variables = aligned(np.zeros(graph.state_offsets[-1]))
        factors = aligned(np.zeros(graph.table_offsets[-1])) if with_factors else None
        log_partition = ctypes.c_double()
        status = self.library.probgen_beliefs(
            ctypes.byref(graph.native), address(messages), address(variables),
            None if factors is None else address(factors), ctypes.byref(log_partition),
        )  # fmt: skip
        if status < 0:
            raise impossible(graph.factors, -1 - status)
        return variables, factors, log_partition.value + graph.log_scale

    def decode(self, graph: MessageGraph, messages: np.ndarray) -> np.ndarray:
        """A configuration from max-product messages, int32 (n,)."""
        states = np.zeros(len(graph.cards), dtype=np.int32)
        self.library.probgen_decode(ctypes.byref(graph.native), address(messages), address(states))
        return states

    def improve(self, graph: MessageGraph, states: np.ndarray, sweeps: int) -> np.ndarray:
        """`states` after up to `sweeps` sweeps of iterated conditional modes."""
        states = np.array(states, dtype=np.int32)
        self.library.probgen_improve(
            ctypes.byref(graph.native), address(states), ctypes.c_int64(sweeps)
        )
        return states


def open_messages(library: ctypes.CDLL | None = None) -> NativeMessages:
    """The native operations; raises `BuildError` without a compiler."""
    library = library or open_library("belief_propagation.cpp")
    library.probgen_pass_messages.restype = ctypes.c_int64
    library.probgen_beliefs.restype = ctypes.c_int64
    library.probgen_decode.restype = None
    library.probgen_improve.restype = ctypes.c_int64
    return NativeMessages(library)
