"""Training of a guide that is a program: the smallest loop over an objective's estimator.

Rates fall and training ends where the ELBO stands still, and iterates are averaged, as for guides
by name. Data need not be rows: a step sees all of them, or the part that the program's own plates
pick (`subsample_size`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from probgen.errors import ModelError, ProbgenError, TrainingError
from probgen.inference.method import Plan, Progress
from probgen.inference.variational.averages import Averages
from probgen.inference.variational.plateau import Plateaus
from probgen.inference.variational.program.pair import Whole
from probgen.learn.training.optimisers import named_optimiser
from probgen.learn.training.schedules import Schedule, value_at
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.trouble import explained

if TYPE_CHECKING:
    from probgen.inference.variational.svi import SVI

__all__ = ["Trained", "train"]

RATE = 0.02
_FIRST = 300
"""Steps at a rate before it is judged for the first time."""
_STRETCH = 50
"""Steps at least in a stretch of iterates that are averaged; the last two count."""
_LARGEST = 100.0
"""Times the median norm of the gradients so far, to which longer ones are cut."""
_PATIENCE = 20
"""Steps in a row without a finite loss before training is given up."""
_SECONDS = 0.2


@dataclass(frozen=True)
class Trained:
    """How training went: negative ELBO (nats) of every step, and whether it stood still."""

    losses: np.ndarray
    converged: bool
    interrupted: bool


def train(
    method: SVI, leaves: list[Tensor], estimator: Estimator, data: Whole, plan: Plan
) -> Trained:
    """Move `leaves` to where the loss is smallest on average; they end at means of late steps.

    Ctrl-C ends training with what there is. Raises `TrainingError` naming step and site when the
    loss stays infinite or undefined.
    """
    step = _Step(method, leaves, estimator, data)
    plateaus, average = Plateaus(method.tolerance or 0.0, _FIRST), Averages(leaves)
    losses = np.empty(method.steps)
    done, in_a_row, turn = 0, 0, _STRETCH
    interrupted, due = False, time.monotonic() + _SECONDS
    try:
        while done < method.steps and not (plateaus.converged and method.tolerance is not None):
            losses[done] = step(done, plateaus.factor)
            in_a_row = 0 if np.isfinite(losses[done]) else in_a_row + 1
            if in_a_row >= _PATIENCE:
                raise TrainingError(
                    f"The loss was not finite in {_PATIENCE} steps in a row, by step {done + 1}: "
                    f"{step.why}. Lower the learning rate, bound the guide's scales, or look at "
                    "the model with `check`."
                )
            done += 1
            average.add()
            if done >= plateaus.due and plateaus.judge(losses[:done]) and not plateaus.converged:
                average.begin()
                turn = done + _STRETCH
            elif done >= turn:
                average.turn()
                turn = max(done + _STRETCH, 3 * done // 2)
            if plan.progress is not None and time.monotonic() > due:
                due = time.monotonic() + _SECONDS
                each, none, steps = (done,) * plan.chains, (0,) * plan.chains, method.steps
                doing = f"objective {-np.median(losses[max(done - 100, 0) : done]):.6g}"
                plan.progress(Progress(each, steps, steps, none, each, doing=doing))
    except KeyboardInterrupt:
        interrupted = True
    average.put_in()
    return Trained(losses[:done].copy(), plateaus.converged, interrupted)


class _Step:
    """One gradient step; one without a finite loss or gradient changes nothing."""

    def __init__(
        self, method: SVI, leaves: list[Tensor], estimator: Estimator, data: Whole
    ) -> None:
        self.method, self.leaves, self.estimator, self.data = method, leaves, estimator, data
        self.optimiser = named_optimiser(leaves, method.optimiser, lr=1.0)
        self.norms: list[float] = []
        self.why = ""
        self._kl_weight = getattr(method.objective, "kl_weight", 1.0)

    def __call__(self, number: int, factor: float) -> float:
        """Take the step of a number, from 0; the loss (nats), infinite if it is not finite."""
        self.optimiser.zero_grad(set_to_none=True)
        before = torch.get_rng_state()
        weight = value_at(self._kl_weight, number, self.method.steps)
        try:
            loss = float(self.estimator.backward(self.data, weight)["loss"])
        except (ValueError, RuntimeError) as raised:
            if isinstance(raised, ProbgenError):
                raise
            loss = np.inf
        gradients = [leaf.grad for leaf in self.leaves if leaf.grad is not None]
        if np.isfinite(loss) and not gradients:
            raise ModelError(
                "No gradient reaches the parameters of the guide: make it a PyroModule, or name "
                "its networks by pyro.module(...), and draw sites from distributions of them."
            )
        squares = [float(g.double().square().sum()) for g in gradients]
        norm = float(np.sqrt(sum(squares)))
        if not np.isfinite(loss) or not np.isfinite(norm):
            self._explain(before)
            return np.inf
        self.norms.append(norm)
        most = _LARGEST * float(np.median(self.norms[-101:]))
        if norm > most > 0:
            for gradient in gradients:
                gradient.mul_(most / norm)
        rate = self.method.learning_rate
        if isinstance(rate, Schedule):
            rate = rate.at(number, self.method.steps)
        else:
            rate = (RATE if rate is None else rate) * factor
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return loss

    def _explain(self, generator: Tensor) -> None:
        """Find the site at fault, with the random numbers of the step."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator)
            self.why = explained(self.estimator.pair, self.estimator.layout, self.data)
