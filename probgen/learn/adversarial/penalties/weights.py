"""Penalties that keep directions apart: of codes, and of weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from probgen.errors import OptionError
from probgen.learn.adversarial.situation import Penalty, Situation
from probgen.learn.adversarial.value import check_count, check_number
from probgen.learn.training.schedules import Schedule

__all__ = ["Orthogonal", "PullingAway"]

_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)


@dataclass(frozen=True, repr=False)
class PullingAway(Penalty):
    """Codes of fakes in different directions (Zhao, Mathieu and LeCun 2017).

    The program's penalty, over the critic's `codes(*sites)`, (row, ...). Pairs are those of a
    batch: several processes compare the rows that each of them has.
    """

    weight: float | Schedule = 0.1
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_count(self, "every")

    @property
    def step_of(self) -> str:
        """The program's."""
        return "program"

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "pulling_away"

    def term(self, at: Situation) -> Tensor:
        """The mean of cos^2 over pairs of different rows: 0 where orthogonal, 1 where parallel."""
        assert at.encode is not None
        codes = at.encode(*at.fake)
        codes = normalize(codes.reshape(len(codes), -1), dim=1)
        rows = len(codes)
        if rows < 2:
            return codes.sum() * 0
        squares = (codes @ codes.T).square()
        return (squares.sum() - squares.diagonal().sum()) / (rows * (rows - 1))

    @property
    def measured(self) -> str:
        """The term."""
        return "mean cos^2(code_i, code_j) over i != j of fakes"


@dataclass(frozen=True, repr=False)
class Orthogonal(Penalty):
    """Filters of a layer that are orthogonal (Brock et al. 2019, without the diagonal).

    Layers are linear ones and convolutions; tables, such as embeddings and the gains of
    conditional batch normalisation, are left alone.

    Args:
        weight: of the penalty.
        player: whose weights: "program" or "critic".
        every: of how many of its turns the penalty is applied in one, times as many.

    """

    weight: float | Schedule = 1e-4
    player: str = "program"
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_count(self, "every")
        if self.player not in ("program", "critic"):
            raise OptionError(f"Orthogonal(player={self.player!r}): 'program' or 'critic'.")

    @property
    def step_of(self) -> str:
        """As chosen."""
        return self.player

    @property
    def label(self) -> str:
        """The name of its metric."""
        return f"orthogonal_{self.player}"

    def term(self, at: Situation) -> Tensor:
        """The sum over layers of |W W^T * (1 - I)|^2; the rows of W are weights of an output."""
        assert at.module is not None
        found = torch.zeros((), device=at.fake[0].device)
        mine = {id(parameter) for parameter in at.parameters.values()}
        for layer in at.module.modules():
            for weight in layer.parameters() if isinstance(layer, _LAYERS) else ():
                if weight.dim() > 1 and id(weight) in mine:
                    turned = isinstance(layer, nn.modules.conv._ConvTransposeNd)
                    rows = (weight.transpose(0, 1) if turned else weight).flatten(1)
                    products = rows @ rows.T
                    found = found + products.square().sum() - products.diagonal().square().sum()
        return found

    @property
    def measured(self) -> str:
        """The term."""
        return f"sum |W W^T * (1 - I)|^2 over the {self.player}'s W"
