"""Rung: a run that is handed over in pieces, and one that goes on from a piece, has the same bits.

For methods that serve `Plan.keep` and `Plan.state`; others are not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from probgen.inference.graphical.method import GraphPlan
from probgen.inference.method import Plan
from probgen.results.store.state import KernelState, Piece
from probgen.studies.ladder.outcome import Outcome
from probgen.studies.ladder.target_run import chains_of, density_for
from probgen.studies.ladder.targets import ExactTarget
from probgen.targets.factors import Factors

__all__ = ["RUNG", "climb", "climb_network"]

RUNG = "resume"
DRAWS, WARMUP = 2000, 100
MOST_RESUMED = 3

Run = Callable[[Any, KernelState | None], np.ndarray | None]
"""Makes a run with (keep, state), and returns its draws, if it holds any."""


def climb(method: Any, target: ExactTarget, seed: int) -> Iterator[Outcome]:
    """A whole run, the same in pieces, and ones from the states after some of these."""
    density = density_for(target)
    chains = chains_of(method)
    initial = np.random.default_rng([seed, chains]).uniform(-2, 2, (chains, density.dim))

    def run(keep: Any, state: KernelState | None) -> np.ndarray:
        plan = Plan(chains, DRAWS, WARMUP, seed, initial.copy(), 2, keep=keep, state=state)
        return method.run(density, plan).unconstrained

    return _compared(target.name, run)


def climb_network(method: Any, factors: Factors, seed: int) -> Iterator[Outcome]:
    """The same for an engine on a network."""
    chains, warmup = max(method.defaults.get("chains", 1), 1), method.defaults.get("warmup", 0)

    def run(keep: Any, state: KernelState | None) -> np.ndarray | None:
        plan = GraphPlan(chains, DRAWS, min(warmup, WARMUP), seed, 2, keep=keep, state=state)
        return method.run(factors, plan).states

    return _compared(factors.network.title, run)


def _compared(name: str, run: Run) -> Iterator[Outcome]:
    pieces = _pieces(run, None)
    if not pieces:
        yield Outcome(RUNG, name, None, note="does not hand over its draws in pieces")
        return
    whole = run(None, None)
    same = whole is not None and np.array_equal(_draws(pieces), whole)
    note = "" if same else "the pieces differ from the draws of the whole run"
    yield Outcome(RUNG, f"{name}, {len(pieces)} pieces", same, bound="same bits", note=note)
    states = [piece.state for piece in pieces[:-1]]
    for k in sorted({round(k) for k in np.linspace(0, len(states) - 1, MOST_RESUMED)}):
        rest = _pieces(run, states[k])
        same = (
            bool(rest)
            and np.array_equal(_draws(rest), _draws(pieces[k + 1 :]))
            and rest[-1].state == pieces[-1].state
        )
        note = "" if same else "the resumed run differs from the uninterrupted one"
        after = f"{name}, after {states[k].iteration}"
        yield Outcome(RUNG, after, same, bound="same bits", note=note)


def _pieces(run: Run, state: KernelState | None) -> list[Piece]:
    pieces: list[Piece] = []
    run(lambda piece: pieces.append(deepcopy(piece)), state)  # its memory is only borrowed
    return pieces


def _draws(pieces: list[Piece]) -> np.ndarray:
    """Draws after warm-up of all pieces, one after another; empty where there are none."""
    parts = [piece.draws for piece in pieces if not piece.warm]
    return np.concatenate(parts, axis=1) if parts else np.empty(0)
