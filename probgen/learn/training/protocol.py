"""The contract between the training loop and every learner of programs.

A *method* is a value: a frozen dataclass with its settings. Asked for a model, it makes a
*learner*, which owns the *players* (modules with their optimisers; one for a likelihood, two for
a game) and knows what one step on a minibatch is. Everything else is the loop's: data, devices,
schedules, clipping, averages, checkpoints, history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from probgen.learn.training.schedules import Schedule

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop
    from probgen.learn.training.options import TrainingOptions

__all__ = ["Batch", "Learner", "LearningMethod", "Metrics", "Player"]

Batch = dict[str, Tensor]
"""Rows of a minibatch by the name of the program's argument, (row, ...) each."""
Metrics = Mapping[str, float | Tensor]
"""Scalars of a step by name. Leave tensors as they are, since reading one would wait for the
device; and hand over a new one in every step, since they are read later."""


@dataclass(eq=False)
class Player:
    """A module and what optimises it.

    `learning_rate` is a number or a schedule that is set before every update; None leaves the
    optimiser's own. Groups of parameters keep the ratios of their learning rates. `averaged` says
    whether its weights are of interest after the training, so that `fit(ema=)` averages them.
    """

    module: nn.Module
    optimiser: Optimizer
    learning_rate: float | Schedule | None = None
    averaged: bool = True


class Learner(Protocol):
    """What is trained, and one step of it.

    Beside what is declared here a learner may have: `validate(batch, loop) -> Metrics`;
    `criterion`, the metric of `validate` that early stopping watches, lower being better, with
    "-" before its name where higher is ("loss" if there is one, else the first); `units`, the
    unit of a metric by name; `describe`, what a metric is, by name; `monitors`, the same for
    metrics that only watch the training and measure nothing else; `rows`, how many rows its
    products have where they are more than those of a batch, such as the number of its chains;
    `validated`, False where its steps are made by `unvalidated`;
    `summary` and `notes`, what it chose, for the summary of the fit; `parts`, modules that it
    trained beside the model, by name.
    """

    players: dict[str, Player]

    def step(self, batch: Batch, loop: Loop) -> Metrics:
        """One step on the rows of this process: gradients, `loop.update(player)`, metrics."""

    def state(self) -> dict[str, Tensor]:
        """What a step depends on beside modules and optimisers, such as persistent chains."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""


class LearningMethod(Protocol):
    """An algorithm that learns programs, with its settings."""

    name: ClassVar[str]
    learns: ClassVar[str]
    """Always "program"."""
    defaults: ClassVar[Mapping[str, Any]]
    """Options of `fit` that suit it: epochs, batch_size ..."""

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> Learner:
        """The learner of a module that is on its device already.

        A method whose attribute `takes_missing` is true is given data with NaN; one with
        `unlabelled`, names of sites, data of theirs with NaN, or -1 in whole numbers.
        """
