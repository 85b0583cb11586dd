"""Rows that chains in lockstep write, and how they become `Draws`."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.inference.batched.transition import Transition
from probgen.inference.method import Draws, Plan, Progress

__all__ = ["Record"]

_STATISTICS: dict[str, type] = {
    "lp": float,
    "energy": float,
    "step_size": float,
    "n_steps": int,
    "acceptance_rate": float,
    "energy_error": float,
    "diverging": bool,
    "trajectory_length": float,
}


class _Rows:
    """Draws and statistics of one phase, allocated at once."""

    def __init__(self, chains: int, rows: int, dim: int) -> None:
        self.draws = np.empty((chains, rows, dim))
        self.stats: dict[str, np.ndarray] = {
            name: np.empty((chains, rows), dtype=kind) for name, kind in _STATISTICS.items()
        }

    def write(self, row: int, result: Transition, step: float, length: float) -> None:
        values: dict[str, Any] = {
            "lp": result.ensemble.log_density,
            "energy": result.energy,
            "n_steps": result.steps,
            "acceptance_rate": result.acceptance,
            "energy_error": result.energy_error,
            "diverging": result.diverging,
        }
        self.draws[:, row] = result.ensemble.position.numpy(force=True)
        for name, value in values.items():
            self.stats[name][:, row] = value.numpy(force=True)
        self.stats["step_size"][:, row] = step
        self.stats["trajectory_length"][:, row] = length


class Record:
    """What a run has done so far."""

    def __init__(self, plan: Plan, dim: int) -> None:
        """Room for the draws that `plan` keeps."""
        self.plan = plan
        self.drawn = _Rows(plan.chains, plan.draws, dim)
        self.warm = _Rows(plan.chains, plan.warmup, dim) if plan.keep_warmup else None
        self.iterations = self.gradients = self.gradients_warmup = 0
        self.divergences = np.zeros(plan.chains, dtype=np.int64)

    def write(self, result: Transition, step: float, length: float) -> None:
        """Note a transition of all chains."""
        i, plan = self.iterations, self.plan
        steps = int(result.steps.sum())
        self.gradients += steps
        if i < plan.warmup:
            self.gradients_warmup += steps
            if self.warm is not None:
                self.warm.write(i, result, step, length)
        else:
            self.divergences += result.diverging.numpy(force=True)
            if (i - plan.warmup + 1) % plan.thin == 0:
                self.drawn.write((i - plan.warmup) // plan.thin, result, step, length)
        self.iterations = i + 1

    @property
    def kept(self) -> int:
        """Draws that every chain has finished."""
        return max(0, self.iterations - self.plan.warmup) // self.plan.thin

    def progress(self) -> Progress:
        """How far the chains are."""
        chains, plan = self.plan.chains, self.plan
        return Progress(
            iterations=(self.iterations,) * chains,
            total=plan.warmup + plan.draws * plan.thin,
            warmup=plan.warmup,
            divergences=tuple(int(count) for count in self.divergences),
            gradients=(self.gradients // chains,) * chains,
        )

    def draws(self) -> Draws:
        """All finished draws, without summary."""
        kept = self.kept
        result = Draws(
            self.drawn.draws[:, :kept], {n: s[:, :kept] for n, s in self.drawn.stats.items()}
        )
        if self.warm is not None:
            result.warmup_unconstrained, result.warmup_stats = self.warm.draws, self.warm.stats
        return result
