"""NICE: additive couplings, whose Jacobian has the determinant one.

Source: Dinh, Krueger and Bengio (2014), "NICE: Non-linear independent components estimation",
arXiv:1410.8516; scales of each entry follow the couplings, as in its section 3.3.
Data: 2000 points on two moons, those of `nsf`.
"""

from __future__ import annotations

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.models.nsf import data as moons
from probgen.nets.flows.model import FlowModel

method = MaximumLikelihood(learning_rate=1e-3)
data = moons


class NICE(FlowModel):
    """Rows x of `features` numbers, given a `context` c if there is one."""

    def __init__(
        self,
        features: int = 2,
        context: int = 0,
        transforms: int = 6,
        hidden: tuple[int, ...] = (64, 64),
    ) -> None:
        super().__init__("nice", features, context=context, transforms=transforms, hidden=hidden)
