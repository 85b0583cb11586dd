"""What a penalty may look at: both sides of the game at one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from probgen.learn.adversarial.value import Value, number_words
from probgen.learn.training.schedules import Schedule

__all__ = ["Penalty", "Situation", "leaves", "squared_gradients"]

Values = tuple[Tensor, ...]


@dataclass(eq=False)
class Situation:
    """Values of the sites on both sides, and what was computed from them.

    Attributes
    ----------
    critic: scores (row,) of values of the sites.
    real, fake: values of `sites` in their order; the critic's step has them as leaves, the
        program's has fakes that depend on its parameters.
    scored: the scores that there are already, by side.
    module: the module of the player whose step it is, and `parameters` those it learns.
    encode: the critic's `codes(*values)`.
    drawn: every site of the program's run, and `again` a run of it with some of them held.
    state: tensors that the penalty keeps between steps.

    """

    critic: Callable[..., Tensor]
    real: Values
    fake: Values
    scored: dict[str, Tensor] = field(default_factory=dict)
    parameters: Mapping[str, nn.Parameter] = field(default_factory=dict)
    encode: Callable[..., Tensor] | None = None
    drawn: Mapping[str, Any] = field(default_factory=dict)
    again: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    state: dict[str, Tensor] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    module: nn.Module | None = None

    def scores(self, side: str) -> Tensor:
        """Scores of "real" or "fake" rows."""
        if side not in self.scored:
            self.scored[side] = self.critic(*getattr(self, side))
        return self.scored[side]

    def gradients(self, side: str) -> Tensor:
        """Squared norms (row,) of the scores' gradients with respect to the values of a side."""
        values = getattr(self, side)
        if not any(value.requires_grad for value in values):
            values = leaves(values)
            return squared_gradients(self.critic(*values), values)
        return squared_gradients(self.scores(side), values)


class Penalty(Value):
    """A term of a player's loss beside the game's, times `weight`.

    `every` n applies it at each n-th turn of the player, times n (Karras et al. 2020). `term` is
    the mean over rows before the weight; `label` names it in the history.
    """

    weight: float | Schedule
    every: int

    @property
    def step_of(self) -> str:
        """Whose loss it is: "critic" or "program"."""
        return "critic"

    @property
    def differentiates(self) -> tuple[str, ...]:
        """Sides whose scores are differentiated with respect to the values."""
        return ()

    @property
    def label(self) -> str:
        """The name of its metric."""
        raise NotImplementedError

    def term(self, at: Situation) -> Tensor:
        """The penalty before its weight."""
        raise NotImplementedError

    @property
    def measured(self) -> str:
        """The formula of `term`."""
        raise NotImplementedError

    @property
    def formula(self) -> str:
        """The term with its weight."""
        lazily = f", at each {self.every}th turn times {self.every}" if self.every > 1 else ""
        return f"{number_words(self.weight)} * [{self.measured}]{lazily}"

    def start(self, device: torch.device) -> dict[str, Tensor]:
        """Tensors kept between steps, and in the checkpoint."""
        return {}


def leaves(values: Values) -> Values:
    """Values cut off from what they were computed from; gradients reach those of real numbers."""
    return tuple(v.detach().requires_grad_(v.is_floating_point()) for v in values)


def squared_gradients(scores: Tensor, values: Values) -> Tensor:
    """Per row the squared norm of its score's gradient over all sites of real numbers.

    Each row has a gradient of its own: the sum of scores is differentiated, of which a row's
    values enter one, unless the critic mixes rows by batch statistics. A site that the scores do
    not depend on adds nothing.
    """
    squared = torch.zeros(len(scores), device=scores.device)
    inputs = [v for v in values if v.requires_grad]
    if not (inputs and scores.requires_grad):
        return squared
    found = torch.autograd.grad(scores.sum(), inputs, create_graph=True, allow_unused=True)
    for gradient in found:
        if gradient is not None:  # in half precision squares would overflow
            whole = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
            squared = squared + whole.reshape(len(whole), -1).square().sum(1)
    return squared
