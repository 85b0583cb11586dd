"""Continuous flow: data and noise joined by a differential equation.

Source: Chen, Rubanova, Bettencourt and Duvenaud (2018), "Neural ordinary differential
equations", NeurIPS; Grathwohl, Chen, Bettencourt, Sutskever and Duvenaud (2018), "FFJORD",
arXiv:1810.01367; with the exact trace of the Jacobian.
Data: 2000 points on two moons, those of `nsf`.
"""

from __future__ import annotations

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.training.schedules import Cosine
from probgen.models.nsf import data as moons
from probgen.nets.flows.model import FlowModel

method = MaximumLikelihood(learning_rate=Cosine(5e-3))
data = moons


class ContinuousFlow(FlowModel):
    """Rows x of `features` numbers, given a `context` c if there is one."""

    def __init__(
        self, features: int = 2, context: int = 0, hidden: tuple[int, ...] = (32, 32)
    ) -> None:
        super().__init__("cnf", features, context=context, hidden=hidden)
