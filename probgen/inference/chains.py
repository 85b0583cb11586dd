"""Arrays that chains write into, and how they become `Draws`.

Both engines (native threads, numpy) fill the same preallocated arrays and reports, so stopping
early, cutting to a rectangle and naming what went wrong are done here once.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgen.errors import InitialisationError, ModelError, OptionError, SamplingError
from probgen.inference.adapt.learnt import addresses, empty_adaptation
from probgen.inference.adapt.settings import STATISTICS, Output, Report, Settings
from probgen.inference.method import DensityLike, Draws, Plan, Progress
from probgen.inference.notes import notes_on

__all__ = [
    "BAD_START",
    "DONE",
    "OUT_OF_MEMORY",
    "RAN_AWAY",
    "STOPPED",
    "Chains",
    "check_plan",
    "largest_rectangle",
]

DONE, STOPPED, BAD_START, OUT_OF_MEMORY, RAN_AWAY = range(5)


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
    interrupted: bool = False
    draws: np.ndarray = field(init=False)
    stats: np.ndarray = field(init=False)
    warmup_draws: np.ndarray | None = field(init=False, default=None)
    warmup_stats: np.ndarray | None = field(init=False, default=None)
    learnt: dict[str, np.ndarray] = field(init=False)
    reports: ctypes.Array = field(init=False)
    outcomes: list[int | None] = field(init=False)

    def __post_init__(self) -> None:
        """Allocate; pages are touched first by the threads that fill them."""
        plan, dim, columns = self.plan, int(self.settings.dim), len(STATISTICS)
        self.draws = np.empty((plan.chains, plan.draws, dim))
        self.stats = np.empty((plan.chains, plan.draws, columns))
        if plan.keep_warmup:
            self.warmup_draws = np.empty((plan.chains, plan.warmup, dim))
            self.warmup_stats = np.empty((plan.chains, plan.warmup, columns))
        resumed = dict(plan.adaptation or {}) if self.settings.resume else {}
        self.learnt = resumed or empty_adaptation(self.settings, plan.chains)
        self.reports = (Report * plan.chains)()
        self.outcomes = [None] * plan.chains

    def output(self, chain: int) -> Output:
        """Addresses of one chain's rows."""

        def address(array: np.ndarray | None) -> int | None:
            return None if array is None or array.size == 0 else array[chain].ctypes.data

        return Output(
            draws=address(self.draws),
            stats=address(self.stats),
            warmup_draws=address(self.warmup_draws),
            warmup_stats=address(self.warmup_stats),
            learnt=addresses(self.learnt, chain),
        )

    def progress(self) -> Progress:
        """How far the chains are."""
        return Progress(
            iterations=tuple(r.iterations for r in self.reports),
            total=self.plan.warmup + self.plan.draws * self.plan.thin,
            warmup=self.plan.warmup,
            divergences=tuple(r.divergences for r in self.reports),
            gradients=tuple(r.gradients_warmup + r.gradients_draws for r in self.reports),
        )

    def result(self, density: DensityLike, seconds: float, engine: str) -> Draws:
        """What the run hands back; raises for chains that could not start."""
        if BAD_START in self.outcomes:
            raise InitialisationError(
                f"Chain {self.outcomes.index(BAD_START)} starts where the log density or its "
                "gradient is not finite. Give other starting values (init), or run `check` on "
                "the model."
            )
        if OUT_OF_MEMORY in self.outcomes:
            raise SamplingError(
                "The sampler ran out of memory; ask for fewer draws or chains, or metric='diag'."
            )
        if RAN_AWAY in self.outcomes:
            raise SamplingError(
                f"Chain {self.outcomes.index(RAN_AWAY)} ran off to infinity: the posterior is "
                "improper (it has no finite mass in some direction). Give every latent site a "
                "proper prior, or data that inform it."
            )
        kept, draws, warmup = self._rectangle()
        unconstrained = self.draws[kept, :draws]
        result = Draws(
            unconstrained=unconstrained,
            stats=_columns(self.stats[kept, :draws]),
            summary=self._summary(seconds, engine, kept),
            adaptation=self._adaptation(kept, unconstrained),
        )
        if self.warmup_draws is not None and self.warmup_stats is not None:
            result.warmup_unconstrained = self.warmup_draws[kept, :warmup]
            result.warmup_stats = _columns(self.warmup_stats[kept, :warmup])
        result.summary["notes"] = notes_on(result, density.coordinate_names)
        return result

    def _rectangle(self) -> tuple[slice | list[int], int, int]:
        """Chains, draws and warm-up draws to keep: the rectangle that holds the most draws."""
        plan = self.plan
        if not self.interrupted:
            return slice(None), plan.draws, plan.warmup
        finished = [(r.iterations - plan.warmup) // plan.thin for r in self.reports]
        kept, draws = largest_rectangle(finished)
        return kept, draws, plan.warmup

    def _adaptation(
        self, kept: slice | list[int], unconstrained: np.ndarray
    ) -> dict[str, np.ndarray]:
        learnt = {name: array[kept] for name, array in self.learnt.items()}
        if unconstrained.shape[1] > 0:  # where an interrupted chain stood is not what was drawn
            learnt["position"] = unconstrained[:, -1].copy()
        return {**learnt, "runs": learnt["runs"] + 1}

    def _summary(self, seconds: float, engine: str, kept: slice | list[int]) -> dict[str, Any]:
        reports = list(self.reports)
        warmup = sum(r.seconds_warmup for r in reports)
        drawing = sum(r.seconds_draws for r in reports)
        share = warmup / (warmup + drawing) if warmup + drawing > 0 else 0.0
        chains = range(self.plan.chains) if isinstance(kept, slice) else kept
        return {
            "engine": engine,
            "gradient_evaluations_warmup": sum(r.gradients_warmup for r in reports),
            "gradient_evaluations": sum(r.gradients_draws for r in reports),
            "seconds_warmup": seconds * share,
            "seconds_sampling": seconds * (1 - share),
            "step_size": [reports[c].step_size for c in chains],
            "metric_directions": [reports[c].directions for c in chains],
            "interrupted": self.interrupted,
        }


def _columns(stats: np.ndarray) -> dict[str, np.ndarray]:
    return {
        name: stats[..., column].astype(kind)
        for column, (name, kind) in enumerate(STATISTICS.items())
    }
