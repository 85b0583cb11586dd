"""What comes before the first transition of NeuTra: shown, counted, and charged to the warm-up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.errors import InitialisationError
from probgen.inference.method import DensityLike, Draws, Plan, Progress

if TYPE_CHECKING:
    from probgen.inference.flow_assisted.neutra import NeuTra
    from probgen.inference.variational.fit import Fitting

__all__ = ["Training", "Watch", "charged", "check_starts"]

PROGRESS_SECONDS = 0.2


@dataclass
class Training:
    """What came before the first transition."""

    seconds: float = 0.0
    evaluations: int = 0
    summary: dict[str, Any] = field(default_factory=dict)


def charged(result: Draws, method: NeuTra, training: Training) -> Draws:
    """The result with the training added to its warm-up."""
    summary = result.summary
    summary["gradient_evaluations_warmup"] = (
        summary.get("gradient_evaluations_warmup", 0) + training.evaluations
    )
    summary["seconds_warmup"] = summary.get("seconds_warmup", 0.0) + training.seconds
    summary |= {"inner": repr(method.inner), "seconds_training": training.seconds}
    summary |= training.summary
    return result


def check_starts(density: DensityLike, plan: Plan) -> None:
    """Raise `InitialisationError` naming a chain without a finite density where it starts."""
    for chain, start in enumerate(plan.initial):
        value, gradient = density.value_and_grad(np.array(start, dtype=np.float64))
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise InitialisationError(
                f"Chain {chain} starts where the log density or its gradient is not finite. Give "
                "other starting values (init), or run `check` on the model."
            )


class Watch:
    """Shows a training in flight as chains that have made no transition yet."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self._shown = plan, time.perf_counter()

    def __call__(self, fitting: Fitting) -> None:
        """Show the gradients so far, a few times a second."""
        now, plan = time.perf_counter(), self.plan
        if plan.progress is None or now - self._shown < PROGRESS_SECONDS:
            return
        self._shown, none = now, (0,) * plan.chains
        total = plan.warmup + plan.draws * plan.thin
        share = fitting.evaluations // plan.chains
        plan.progress(Progress(none, total, plan.warmup, none, (share,) * plan.chains))
