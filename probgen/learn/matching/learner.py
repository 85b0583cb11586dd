"""The learner of a program by draws held against data: generative moment matching.

Li, Swersky & Zemel (2015), "Generative moment matching networks", ICML; Bellemare et al. (2017),
"The Cramer distance as a solution to biased Wasserstein gradients"; Gneiting & Raftery (2007),
"Strictly proper scoring rules, prediction, and estimation".

Data x_1 .. x_B of a minibatch are held against draws y of the program by a dissimilarity d:

    loss = 2 mean d(x, y) - mean d(y, y') - mean d(x, x'),

means over pairs of different cases, so that loss and gradient have no bias (the last term is the
same for all programs). Where the program takes data that it does not draw, such as covariates,
every row has a law of its own, and d(x, y) and d(y, y') are of draws for the same row. Where it
has latents of all rows together, draws of one run are dependent, and d(y, y') is of two runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probgen.learn.matching.kernels import Dissimilarity, squared_distances
from probgen.learn.matching.sides import Sides
from probgen.learn.training.optimisers import named_optimiser
from probgen.learn.training.protocol import Batch, Player

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["MatchingLearner"]


class MatchingLearner:
    """One player, the program.

    Args:
        model: the program; its parameters change in place.
        sides: what is compared.
        dissimilarity: d, of squared distances.
        method: learning rate, optimiser, and `particles`: draws for every row.
        told: what the loss is, in words.

    """

    criterion = "loss"
    validated = False

    def __init__(
        self, model: nn.Module, sides: Sides, dissimilarity: Dissimilarity, method: Any, told: str
    ) -> None:
        self._sides, self._dissimilarity = sides, dissimilarity
        self._times = max(method.particles, 2 if sides.conditional or sides.shared else 1)
        weights = [p for p in model.parameters() if p.requires_grad]
        optimiser = named_optimiser([{"params": weights}], method.optimiser, fused=True)
        self.players = {"model": Player(model, optimiser, method.learning_rate)}
        self.describe = {"loss": told}
        self.summary: dict[str, Any] = {"sites": list(sides.names)}
        if sides.conditional:
            self.summary["compared"] = "row by row, given the data that the program does not draw"

    def step(self, batch: Batch, loop: Loop) -> dict[str, Tensor]:
        """The gradient of one minibatch, and the update."""
        loss = self._loss(batch)
        loop.backward(loss, "model")
        loop.update("model")
        return {"loss": loss.detach()}

    def validate(self, batch: Batch, loop: Loop) -> dict[str, Tensor]:
        """The loss on validation rows."""
        return {"loss": self._loss(batch)}

    def state(self) -> dict[str, Tensor]:
        """Nothing beside the module."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Nothing."""

    def _loss(self, batch: Batch) -> Tensor:
        times = self._times
        if len(next(iter(batch.values()))) == 1:  # what is left of the data
            times = max(times, 2)
        data, drawn = self._sides.drawn(batch, times)
        if self._sides.conditional:
            drawn = drawn.transpose(0, 1)
            between = self._between(data[:, None], drawn).mean()
            return 2 * between - self._within(drawn)
        with torch.no_grad():
            spread = self._within(data)
        whole = drawn.flatten(0, 1)
        within = self._across(drawn) if self._sides.shared else self._within(whole)
        return 2 * self._between(data, whole).mean() - within - spread

    def _between(self, first: Tensor, second: Tensor) -> Tensor:
        return self._dissimilarity(squared_distances(first, second))

    def _within(self, cases: Tensor) -> Tensor:
        """The mean over pairs of different cases; 0 of a single one."""
        count = cases.shape[-2]
        if count < 2:
            return torch.zeros((), dtype=cases.dtype, device=cases.device)
        found = self._between(cases, cases)
        others = found.sum((-1, -2)) - found.diagonal(dim1=-2, dim2=-1).sum(-1)
        return others.mean() / (count * (count - 1))

    def _across(self, runs: Tensor) -> Tensor:
        """The mean over pairs of cases of different runs, (run, case, dim)."""
        pairs = [
            self._between(one, other).mean()
            for number, one in enumerate(runs)
            for other in runs[:number]
        ]
        return torch.stack(pairs).mean()
