"""Collaborative filtering: restricted Boltzmann machine of ratings.

Many ratings are missing. A person's machine has units for the rated items only; all persons
share weights and biases.

Source: Salakhutdinov, Mnih and Hinton (2007), "Restricted Boltzmann machines for collaborative
filtering", ICML.
Data: American National Election Study 1996, 944 voters on five seven-point scales (public
domain), as bundled with statsmodels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.learn.boltzmann.methods import CD
from probgen.nets.boltzmann.conditional import log_conditional
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

method = CD(learning_rate=0.02, optimiser="adam")

ITEMS = {
    "selfLR": "own views, liberal to conservative",
    "ClinLR": "where Clinton stands",
    "DoleLR": "where Dole stands",
    "PID": "party, strong Democrat to strong Republican",
    "educ": "education",
}


class RatingsRBM(BoltzmannMachine):
    """`items` rated on a scale 0 .. `scale` - 1, NaN where unrated, and `hidden` tastes."""

    def __init__(self, items: int = 5, scale: int = 7, hidden: int = 12) -> None:
        rating = Units("rating", items, "categorical", states=scale, optional=True)
        super().__init__([rating, Units("h", hidden)])

    def log_probabilities(self, rating: Tensor, item: int) -> Tensor:
        """Log p(rating of an item | the person's other ratings), nats, (person, scale)."""
        return log_conditional(self, self.encode(0, {"rating": rating}), "rating", item)

    def predict(self, rating: Tensor) -> Tensor:
        """Expected rating of every item given the person's ratings of the others.

        `rating` is (person, item) with NaN where unrated; so is the result, without NaN.
        """
        scale = torch.arange(self.layers[0][0].states, dtype=self.dtype, device=self.device)
        laws = [self.log_probabilities(rating, item).exp() for item in range(rating.shape[1])]
        return torch.stack([law @ scale for law in laws], -1)


def answers() -> Tensor:
    """All answers, (944, 5), numbered from 0."""
    from statsmodels.datasets import anes96

    table = torch.from_numpy(anes96.load_pandas().data[list(ITEMS)].to_numpy(float, copy=True))
    return (table - table.min(0).values).float()


def hidden_answers() -> Tensor:
    """Which answers `data` keeps back, to be predicted: one of each person, in turn."""
    person, items = torch.arange(944), torch.arange(len(ITEMS))
    return person[:, None] % len(ITEMS) == items


def data() -> dict[str, Tensor]:
    """Answers with one of each person missing (NaN), (944, 5)."""
    return {"rating": answers().masked_fill(hidden_answers(), torch.nan)}
