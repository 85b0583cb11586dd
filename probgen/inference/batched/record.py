"""Rows that chains in lockstep write, the pieces they hand over, and how they become `Draws`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from probgen.inference.batched.transition import Transition
from probgen.inference.method import Draws, Plan, Progress
from probgen.inference.notes import Seen, notes_of, seen_of
from probgen.inference.pieces import Stretch, Stretches, columns_of, draws_before
from probgen.inference.snapshot import seconds_of
from probgen.results.store.state import KernelState, Piece

__all__ = ["STATISTICS", "Record"]

PROGRESS_SECONDS = 0.2

STATISTICS: dict[str, type] = {
    "lp": float,
    "energy": float,
    "step_size": float,
    "n_steps": int,
    "acceptance_rate": float,
    "energy_error": float,
    "diverging": bool,
    "trajectory_length": float,
}


class Record:
    """What a run has done so far."""

    def __init__(self, plan: Plan, dim: int, more: Mapping[str, type] | None = None) -> None:
        """Nothing, or what was done when `plan.state` was taken.

        `more` are statistics of a method beside `STATISTICS`.
        """
        self.plan, self.dim = plan, dim
        self.kinds = {**STATISTICS, **(more or {})}
        self.state = plan.state
        """Where the latest piece ended."""
        self._before = seconds_of(plan.state) if plan.state else 0.0
        self._rewind()
        self._began = self._shown = time.perf_counter()
        self._stretches = Stretches(plan, dim, len(self.kinds))
        self._stretch: Stretch | None = None
        self._rows = {True: 0, False: 0}
        self._seen = plan.seen or Seen()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, with that before a break."""
        return self._before + time.perf_counter() - self._began

    @property
    def counters(self) -> dict[str, np.ndarray]:
        """Totals so far, as a state holds them."""
        chains = self.plan.chains
        return {
            "divergences": self.divergences.copy(),
            "gradients": self.gradients.copy(),
            "gradients_warmup": self.gradients_warmup.copy(),
            "seconds": np.full(chains, self.seconds),
            "seconds_warmup": np.full(chains, self.seconds_warmup),
        }

    def run(self, transition: Callable[[int], None], state: Callable[[], KernelState]) -> bool:
        """Make every transition by its number; whether an interrupt ended them early.

        Finished pieces go to `Plan.keep` with their `state`. Raises KeyboardInterrupt when it came
        before the first kept draw.
        """
        plan, interrupted = self.plan, False
        try:
            for stretch in self.stretches():
                for number in range(stretch.first, stretch.end):
                    transition(number)
                    self.show()
                if plan.keep is not None:
                    self.deliver(stretch, state())
        except KeyboardInterrupt:
            interrupted = True
            self.interrupt()
        if plan.progress:
            plan.progress(self.progress())
        if interrupted and self.kept == 0:
            raise KeyboardInterrupt
        return interrupted

    def show(self) -> None:
        """Report progress, not too often."""
        now = time.perf_counter()
        if self.plan.progress and now - self._shown > PROGRESS_SECONDS:
            self._shown = now
            self.plan.progress(self.progress())

    def interrupt(self) -> None:
        """Forget what was done since the latest piece; keep all when there are none."""
        if self.plan.keep is not None:
            self._rewind()

    def _rewind(self) -> None:
        counters: Mapping[str, np.ndarray] = self.state.counters if self.state else {}
        none = np.zeros(self.plan.chains, dtype=np.int64)
        self.divergences = counters.get("divergences", none).copy()
        self.gradients = counters.get("gradients", none).copy()
        self.gradients_warmup = counters.get("gradients_warmup", none).copy()
        self.iterations = self.state.iteration if self.state else 0
        self.seconds_warmup = float(np.max(counters.get("seconds_warmup", 0.0)))

    def stretches(self) -> Iterator[Stretch]:
        """What is to be done, piece by piece."""
        while (stretch := self._stretches.following()) is not None:
            self._stretch, self._rows = stretch, {True: 0, False: 0}
            started = time.perf_counter()
            yield stretch
            seconds = time.perf_counter() - started
            # All chains move together: one transition takes as long as that of all of them.
            self._stretches.note(seconds / self._stretches.rounds, stretch.count)

    def write(self, result: Transition, step: float, length: float, *more: torch.Tensor) -> None:
        """Note a transition of all chains, and further statistics (chain,) in their order."""
        plan, stretch = self.plan, self._stretch
        assert stretch is not None
        warm = self.iterations < plan.warmup
        steps = result.steps.numpy(force=True)
        self.gradients += steps
        self.iterations += 1
        if warm:
            self.gradients_warmup += steps
            self.seconds_warmup = self.seconds
        else:
            self.divergences += result.diverging.numpy(force=True)
        draws = stretch.warmup_draws if warm else stretch.draws
        stats = stretch.warmup_stats if warm else stretch.stats
        kept = warm or (self.iterations - plan.warmup) % plan.thin == 0
        if not kept or draws is None or stats is None or draws.shape[1] == 0:
            return
        row = self._rows[warm]
        self._rows[warm] += 1
        draws[:, row] = result.ensemble.position.numpy(force=True)
        values: tuple[torch.Tensor | float, ...] = (
            result.ensemble.log_density, result.energy, step, result.steps, result.acceptance,
            result.energy_error, result.diverging, length, *more,
        )  # fmt: skip
        for column, value in enumerate(values):
            numbers = value.numpy(force=True) if isinstance(value, torch.Tensor) else value
            stats[:, row, column] = numbers

    def deliver(self, stretch: Stretch, state: KernelState) -> None:
        """Hand a finished stretch to `Plan.keep`."""
        plan = self.plan
        if plan.keep is None or stretch.count == 0:
            return
        warm = stretch.first < plan.warmup
        first = stretch.first if warm else draws_before(plan, stretch.first)
        draws, stats = stretch.rows
        columns = columns_of(stats, kinds=self.kinds)
        if not warm:
            self._seen.add(draws, columns)
        plan.keep(Piece(first, warm, draws, columns, state))
        self.state = state
        self._stretches.give_back(stretch)

    @property
    def kept(self) -> int:
        """Draws that every chain has finished, and that are handed back or were handed over."""
        stretch, plan = self._stretch, self.plan
        if plan.keep is not None:
            return draws_before(plan, self.state.iteration if self.state else 0)
        before = draws_before(plan, stretch.first) if stretch else 0
        return draws_before(plan, self.iterations) - before

    def progress(self) -> Progress:
        """How far the chains are."""
        chains, plan = self.plan.chains, self.plan
        return Progress(
            iterations=(self.iterations,) * chains,
            total=self._stretches.total,
            warmup=plan.warmup,
            divergences=tuple(int(count) for count in self.divergences),
            gradients=tuple(int(count) for count in self.gradients),
        )

    def draws(self) -> Draws:
        """All finished draws that were not handed over, without summary."""
        plan, stretch = self.plan, self._stretch
        if plan.keep is not None or stretch is None:
            columns = np.empty((plan.chains, 0, len(self.kinds)))
            return Draws(
                np.empty((plan.chains, 0, self.dim)), columns_of(columns, kinds=self.kinds)
            )
        kept = self.kept
        result = Draws(
            stretch.draws[:, :kept], columns_of(stretch.stats[:, :kept], kinds=self.kinds)
        )
        if stretch.warmup_draws is not None and stretch.warmup_stats is not None:
            result.warmup_unconstrained = stretch.warmup_draws
            result.warmup_stats = columns_of(stretch.warmup_stats, kinds=self.kinds)
        return result

    def notes(self, result: Draws, names: list[str]) -> list[str]:
        """On all draws, handed back or handed over."""
        return notes_of(seen_of(result) if self.plan.keep is None else self._seen, names)
