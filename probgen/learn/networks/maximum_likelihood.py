"""Maximum likelihood: relative frequencies of a Bayesian network, gradients of a module."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from probgen.learn.fit import Learned, Problem
from probgen.learn.networks.tables import (
    check_complete,
    conditional,
    observed_log_likelihood,
    unseen_note,
)

if TYPE_CHECKING:
    from torch import nn

    from probgen.learn.likelihood import LikelihoodLearner
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.options import TrainingOptions

__all__ = ["MaximumLikelihood"]


@dataclass(frozen=True)
class MaximumLikelihood:
    """The parameters under which the data are the likeliest.

    Of a Bayesian network: conditional probabilities as relative frequencies. A configuration of
    parents that never occurs gets a uniform distribution, and a note says so. Needs complete
    data: `EM` learns from data with holes.

    Of a module whose density can be computed (a flow, an autoregressive model, a program without
    latent sites): gradient steps on minibatches, with the settings below, which networks do not
    need.

    Args:
        learning_rate: a number, or a schedule.
        optimiser: a class of `torch.optim` by name, or a function from groups of parameters to
            an optimiser.
        weight_decay: of the optimiser; decoupled from the gradient (Loshchilov & Hutter 2019)
            by "adamw".

    """

    learning_rate: Any = 1e-3
    optimiser: Any = "adam"
    weight_decay: float = 0.0

    name: ClassVar[str] = "MaximumLikelihood"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 100, "batch_size": 100}
    learns: ClassVar[str] = "parameters"
    wants: ClassVar[str] = "directed"
    needs_oracle: ClassVar[bool] = False

    def learn(self, problem: Problem) -> Learned:
        """Count. Raises `DataError` when a value is missing."""
        started = time.perf_counter()
        skeleton, table = problem.skeleton, problem.table
        assert skeleton is not None
        check_complete(table, self.name, "EM()")
        counts = [table.counts(scope) for scope in skeleton.scopes]
        made = [conditional(count) for count in counts]
        log_tables = [log_table for log_table, _ in made]
        summary = {
            "log_likelihood": observed_log_likelihood(counts, log_tables),
            "parameters": sum(
                count.size // count.shape[-1] * (count.shape[-1] - 1) for count in counts
            ),
            "seconds": time.perf_counter() - started,
            "notes": unseen_note(skeleton, [unseen for _, unseen in made]),
        }
        return Learned(skeleton.network(log_tables), {}, summary)

    def learner(
        self, model: nn.Module, info: DataInfo, options: TrainingOptions
    ) -> LikelihoodLearner:
        """The learner of a module; see `LikelihoodLearner`."""
        from probgen.learn.likelihood import LikelihoodLearner

        return LikelihoodLearner(model, self, info)
