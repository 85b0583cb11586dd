"""Neural Bayesian network: one masked network gives every table.

Source: Germain, Gregor, Murray and Larochelle (2015), "MADE: Masked autoencoder for distribution
estimation", ICML, with the mask of any graph in place of that of an order; the graph is Asia of
Lauritzen and Spiegelhalter (1988), "Local computations with probabilities on graphical structures
and their application to expert systems", JRSS B 50:157-224.
Data: 3000 patients drawn here (seed 0) from the tables of that paper; 1 is yes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.categorical import CategoricalGraph

EDGES = (
    ("asia", "tuberculosis"),
    ("smoker", "cancer"),
    ("smoker", "bronchitis"),
    ("tuberculosis", "either"),
    ("cancer", "either"),
    ("either", "xray"),
    ("either", "dyspnoea"),
    ("bronchitis", "dyspnoea"),
)
NAMES = (
    "asia", "smoker", "tuberculosis", "cancer", "bronchitis", "either", "xray", "dyspnoea",
)  # fmt: skip

method = MaximumLikelihood(learning_rate=3e-3)


class NeuralBayesianNetwork(CategoricalGraph):
    """Eight yes-or-no variables of a chest clinic, or others with the graph `edges`."""

    def __init__(
        self,
        edges: tuple[tuple[str, str], ...] = EDGES,
        names: tuple[str, ...] = NAMES,
        states: int = 2,
        hidden: tuple[int, ...] = (32,),
    ) -> None:
        super().__init__(edges, dict.fromkeys(names, states), hidden)


def data(rows: int = 3000, seed: int = 0) -> dict[str, Tensor]:
    """Patients, one column of 0 or 1 for each variable, (rows,)."""
    random = torch.Generator().manual_seed(seed)

    def happens(probability: Tensor | float) -> Tensor:
        return torch.rand(rows, generator=random) < probability

    asia, smoker = happens(0.01), happens(0.5)
    tuberculosis = happens(torch.where(asia, 0.05, 0.01))
    cancer = happens(torch.where(smoker, 0.1, 0.01))
    bronchitis = happens(torch.where(smoker, 0.6, 0.3))
    either = tuberculosis | cancer
    xray = happens(torch.where(either, 0.98, 0.05))
    with_bronchitis = torch.where(either, 0.9, 0.8)
    dyspnoea = happens(torch.where(bronchitis, with_bronchitis, torch.where(either, 0.7, 0.1)))
    columns = (asia, smoker, tuberculosis, cancer, bronchitis, either, xray, dyspnoea)
    return {name: column.long() for name, column in zip(NAMES, columns, strict=True)}
