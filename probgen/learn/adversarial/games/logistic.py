"""Games whose critic tells real from fake by logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from probgen.learn.adversarial.games.game import Game

__all__ = ["Bidirectional", "FeatureMatching", "Minimax", "NonSaturating"]


class _Logistic(Game):
    """Games whose critic tells real from fake by logistic regression (nats)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E sp(-D(real)) + E sp(D(fake)): 2 log 2 for a critic that knows nothing."""
        return softplus(-real).mean() + softplus(fake).mean()


@dataclass(frozen=True, repr=False)
class Minimax(_Logistic):
    """The zero-sum game (Goodfellow et al. 2014): the program raises what the critic lowers.

    With the best critic the program descends 2 JSD(data, program) - log 4.
    """

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E sp(D(fake)) = E log(1 - sigmoid(D(fake)))."""
        return -softplus(fake).mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return "critic E sp(-D(real)) + E sp(D(fake)); program -E sp(D(fake))"


@dataclass(frozen=True, repr=False)
class NonSaturating(_Logistic):
    """The same critic, and a program that raises log sigmoid(D(fake)) (Goodfellow et al. 2014)."""

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """E sp(-D(fake)), whose gradient is steep where the critic is sure of a fake."""
        return softplus(-fake).mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return "critic E sp(-D(real)) + E sp(D(fake)); program E sp(-D(fake))"


@dataclass(frozen=True, repr=False)
class Bidirectional(_Logistic):
    """Program and guide against the critic (Donahue et al. 2017; Dumoulin et al. 2017)."""

    both: ClassVar[bool] = True

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """E sp(D(real)) + E sp(-D(fake)): the critic's loss with the labels exchanged."""
        return softplus(real).mean() + softplus(-fake).mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return (
            "critic E sp(-D(real)) + E sp(D(fake)); program and guide "
            "E sp(D(real)) + E sp(-D(fake))"
        )


@dataclass(frozen=True, repr=False)
class FeatureMatching(_Logistic):
    """The program matches the means of the critic's features (Salimans et al. 2016).

    The means are of a batch: several processes, each with those of its own rows, are not exactly
    one with all of them, and match more coarsely. So are batches of few rows.
    """

    both: ClassVar[bool] = True
    features: ClassVar[bool] = True

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """The mean over features f of (E f(real) - E f(fake))^2; features are (row, ...)."""
        apart = real.mean(0) - fake.mean(0)
        return torch.square(apart).mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return (
            "critic E sp(-D(real)) + E sp(D(fake)); program mean (E f(real) - E f(fake))^2 over "
            "the critic's features f"
        )
