"""Maximum likelihood of a module by gradients of its log density.

A module that knows its density has `log_prob(**data) -> (row,)`, nats. Any other is run as a
program, whose sites must all be observed. A module with `start_from(batches)` takes what it
needs of the training data first, such as means and deviations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pyro import poutine
from torch import Tensor, nn

from probgen.declare.checks.problem import raise_errors
from probgen.declare.checks.unscored import unscored_problems
from probgen.declare.sites import sample_sites, site_kind
from probgen.errors import ModelError
from probgen.learn.training.optimisers import named_optimiser
from probgen.learn.training.protocol import Batch, Player

if TYPE_CHECKING:
    from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop

__all__ = ["LikelihoodLearner"]


class LikelihoodLearner:
    """One player, whose loss is the mean of -log p(row) over a minibatch, nats.

    Args:
        model: to learn; its parameters change in place.
        settings: learning rate and optimiser.
        info: the training data.

    Raises `ModelError` for a program with latent sites, naming the first.

    """

    units = {"loss": "nats per row"}  # noqa: RUF012
    describe = {"loss": "mean of -log p(row)"}  # noqa: RUF012
    criterion = "loss"

    def __init__(self, model: nn.Module, settings: MaximumLikelihood, info: DataInfo) -> None:
        start: Any = getattr(model, "start_from", None)
        if start is not None:
            start(info.batches())
        self._model = model
        known: Any = getattr(model, "log_prob", None)
        if known is None:
            _check_observed(model, info.sample(2))
        self._log_prob = known or self._log_prob_of_program
        weights = [p for p in model.parameters() if p.requires_grad]
        decay = {"weight_decay": settings.weight_decay} if settings.weight_decay else {}
        optimiser = named_optimiser([{"params": weights, **decay}], settings.optimiser, fused=True)
        self.players = {"model": Player(model, optimiser, settings.learning_rate)}

    def step(self, batch: Batch, loop: Loop) -> dict[str, Tensor]:
        """The gradient of one minibatch, and the update."""
        loss = -self._log_prob(**batch).mean()
        loop.backward(loss)
        loop.update("model")
        return {"loss": loss.detach()}

    def validate(self, batch: Batch, loop: Loop) -> dict[str, Tensor]:
        """The loss on validation rows."""
        return {"loss": -self._log_prob(**batch).mean()}

    def state(self) -> dict[str, Tensor]:
        """Nothing beside the module."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Nothing."""

    def _log_prob_of_program(self, **batch: Tensor) -> Tensor:
        """The log density of all rows, divided by their number: a mean already."""
        trace = poutine.trace(self._model).get_trace(**batch)
        rows = len(next(iter(batch.values())))
        return torch.as_tensor(trace.log_prob_sum()) / rows


def _check_observed(model: Any, batch: Batch) -> None:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        trace = poutine.trace(model).get_trace(**batch)
    raise_errors(unscored_problems(trace))
    for name, site in sample_sites(trace):
        if site_kind(site) == "latent":
            raise ModelError(
                f"The site {name!r} is not observed, so that the likelihood is an integral over "
                "it: learn the program by SVI(), or give the module a method log_prob(**data)."
            )
