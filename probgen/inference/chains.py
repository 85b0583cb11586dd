"""The chains of one run: what they are asked, where they write, and the pieces they hand over.

Both engines (native threads, numpy) fill the same arrays and reports; `collect.py` makes `Draws`
of them.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from probgen.errors import ModelError, OptionError
from probgen.inference.adapt.learnt import empty_adaptation
from probgen.inference.adapt.settings import Report, Settings
from probgen.inference.method import DensityLike, Plan, Progress
from probgen.inference.notes import Seen
from probgen.inference.pieces import Stretch, Stretches, columns_of, draws_before
from probgen.inference.snapshot import Fields, check_state, fields_of, seconds_of, state_of
from probgen.results.store.state import KernelState, Piece

__all__ = [
    "BAD_START",
    "DONE",
    "OUT_OF_MEMORY",
    "RAN_AWAY",
    "STOPPED",
    "Chains",
    "OpenChain",
    "check_plan",
    "largest_rectangle",
]

DONE, STOPPED, BAD_START, OUT_OF_MEMORY, RAN_AWAY = range(5)


class OpenChain(Protocol):
    """A chain that is advanced by some transitions at a time."""

    def start(self, initial: np.ndarray) -> int:
        """Place it at `initial` (dim,); returns the outcome."""

    def load(self, iteration: int, fields: Fields) -> int:
        """Place it where another one stood; raises `OptionError` for fields that do not fit."""

    def advance(self, stretch: Stretch, index: int) -> int:
        """Make the transitions of `stretch` as chain `index`; returns the outcome."""

    def fields(self) -> Fields:
        """Where it stands: all that its next transition depends on, and its totals."""


def check_plan(density: DensityLike, plan: Plan) -> None:
    """Refuse a plan that no sampler can carry out; raises `OptionError` or `ModelError`."""
    if density.dim == 0:
        raise ModelError(
            "There is nothing to sample: the model has no continuous latent site. "
            "Add one, or look at the model with `check`."
        )
    least_of = {"chains": 1, "draws": 0, "warmup": 0, "threads": 1, "thin": 1}
    for name, least in least_of.items():
        value = getattr(plan, name)
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name}={value!r}: it must be an integer of at least {least}.")
    if plan.draws + plan.warmup == 0:
        raise OptionError("draws=0 and warmup=0: there is nothing to do; ask for some draws.")
    shape = np.shape(plan.initial)
    if shape != (plan.chains, density.dim):
        raise OptionError(
            f"initial has shape {shape}; (chains, dim) = {(plan.chains, density.dim)} is needed."
        )
    check_state(plan, density.dim)


def largest_rectangle(finished: list[int]) -> tuple[list[int], int]:
    """Chains to keep of an interrupted run, and how many draws of each: the most draws in all.

    `finished` counts the draws of every chain. Raises `KeyboardInterrupt` again when there is
    none, for then there is nothing to hand back.
    """
    order = sorted(range(len(finished)), key=lambda chain: -finished[chain])
    count = max(range(1, len(finished) + 1), key=lambda k: k * finished[order[k - 1]])
    draws = finished[order[count - 1]]
    if draws <= 0:
        raise KeyboardInterrupt
    return sorted(order[:count]), draws


@dataclass
class Chains:
    """Everything the chains of one run write, one row per chain."""

    settings: Settings
    plan: Plan
    hidden: tuple[str, ...] = ()
    """Statistics that the method does not have."""
    interrupted: bool = False
    learnt: dict[str, np.ndarray] = field(init=False)
    reports: ctypes.Array = field(init=False)
    outcomes: list[int | None] = field(init=False)
    failed: bool = field(init=False, default=False)
    """Whether a chain cannot go on."""
    whole: Stretch | None = field(init=False, default=None)
    """All of a run that hands over no pieces."""
    state: KernelState | None = field(init=False)
    """Where the latest piece ended."""
    seen: Seen = field(init=False)
    """Of the draws in all pieces, those before a break too."""
    _stretches: Stretches = field(init=False)

    def __post_init__(self) -> None:
        """Make room for what is learnt and told; the stretches have that for draws."""
        plan = self.plan
        resumed = dict(plan.adaptation or {}) if self.settings.resume else {}
        self.learnt = resumed or empty_adaptation(self.settings, plan.chains)
        self.reports = (Report * plan.chains)()
        self.outcomes = [None] * plan.chains
        self._stretches = Stretches(plan, int(self.settings.dim))
        self.state = plan.state
        self.seen = plan.seen or Seen()
        self._began = time.perf_counter()
        self._before = seconds_of(plan.state) if plan.state else 0.0

    def note(self, chain: int, outcome: int) -> None:
        """How a chain fares."""
        self.outcomes[chain] = outcome
        self.failed = self.failed or outcome not in (DONE, STOPPED)

    @property
    def total(self) -> int:
        """Transitions that each chain makes, warm-up included."""
        return self._stretches.total

    def place(self, chain: OpenChain, index: int) -> int:
        """Start a chain, or put it where the plan's state says; returns the outcome."""
        state = self.plan.state
        if state is None:
            return chain.start(self.plan.initial[index])
        return chain.load(state.iteration, fields_of(state, index))

    def advance(self, chain: OpenChain, index: int, stretch: Stretch) -> int:
        """Make the transitions of `stretch`, and look where the chain stands if that is kept."""
        started = time.perf_counter()
        outcome = chain.advance(stretch, index)
        if outcome == DONE and self.plan.keep is not None:
            stretch.fields[index] = chain.fields()
        self._stretches.note(time.perf_counter() - started, stretch.count)
        return outcome

    def following(self) -> Stretch | None:
        """What the chains are to do next; None when all is done or under way."""
        stretch = self._stretches.following()
        if self.plan.keep is None:
            self.whole = self.whole or stretch
        return stretch

    def deliver(self, stretch: Stretch) -> None:
        """Hand a stretch that all chains have made to `Plan.keep`, if there is one."""
        plan = self.plan
        if plan.keep is None or stretch.count == 0:
            return
        fields = [stretch.fields[chain] for chain in range(plan.chains)]
        state = state_of(stretch.end, fields, int(self.settings.dim), self.seconds)
        warm = stretch.first < plan.warmup
        columns = columns_of(stretch.rows[1], self.hidden)
        first = stretch.first if warm else draws_before(plan, stretch.first)
        if not warm:
            self.seen.add(stretch.draws, columns)
        self.state = state  # before the call: an interrupt out of it comes when all is kept
        plan.keep(Piece(first, warm, stretch.rows[0], columns, state))
        self._stretches.give_back(stretch)

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, with that before a break."""
        return self._before + time.perf_counter() - self._began

    def progress(self) -> Progress:
        """How far the chains are."""
        return Progress(
            iterations=tuple(r.iterations for r in self.reports),
            total=self.total,
            warmup=self.plan.warmup,
            divergences=tuple(r.divergences for r in self.reports),
            gradients=tuple(r.gradients_warmup + r.gradients_draws for r in self.reports),
            step_sizes=tuple(r.step_size for r in self.reports),
        )
