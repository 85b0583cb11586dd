"""Causal flow: noise and data joined along a graph, with interventions.

Source: Khemakhem, Monti, Leech and Hyvarinen (2021), "Causal autoregressive flows", AISTATS;
Javaloy, Sanchez-Martin and Valera (2023), "Causal normalizing flows", NeurIPS: one layer, masked
by the graph, so that its Jacobian is exactly zero off the graph.
Data: 3000 rows of four variables, made here (seed 0): a treatment that acts on an outcome, itself
and through a mediator, and a confounder of the two; none of the effects is linear.
"""

from __future__ import annotations

from typing import Any

import torch

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.graph import GraphFlow

EDGES = (
    ("confounder", "treatment"),
    ("confounder", "outcome"),
    ("treatment", "mediator"),
    ("treatment", "outcome"),
    ("mediator", "outcome"),
)
NAMES = ("confounder", "treatment", "mediator", "outcome")

method = MaximumLikelihood(learning_rate=2e-3)


class CausalFlow(GraphFlow):
    """Rows x of the variables `names`, each a function of its parents in `graph` and noise."""

    def __init__(
        self,
        graph: Any = EDGES,
        names: tuple[str, ...] = NAMES,
        hidden: tuple[int, ...] = (32, 32),
    ) -> None:
        super().__init__(graph, names, hidden=hidden)


def simulate(noise: torch.Tensor, treatment: float | None = None) -> torch.Tensor:
    """The rows of standard normal `noise`, (row, 4), the treatment set where it is given."""
    confounder = noise[:, 0]
    chosen = confounder.tanh() + 0.5 * noise[:, 1]
    if treatment is not None:
        chosen = torch.full_like(chosen, treatment)
    mediator = chosen.square() + 0.3 * noise[:, 2]
    outcome = (2 * chosen).sin() - mediator + 2 * confounder + 0.3 * noise[:, 3]
    return torch.stack([confounder, chosen, mediator, outcome], -1)


def data(rows: int = 3000, seed: int = 0) -> dict[str, torch.Tensor]:
    """Observed rows, (rows, 4), in the order of `NAMES`."""
    random = torch.Generator().manual_seed(seed)
    return {"x": simulate(torch.randn(rows, 4, generator=random))}
