"""Neural spline flow: each entry bent by a spline, given those before.

Source: Durkan, Bekasov, Murray and Papamakarios (2019), "Neural spline flows", NeurIPS, in its
autoregressive form.
Data: 2000 points of two half circles that clasp each other, two moons, made here (seed 0) with
normal noise of standard deviation 0.1.
"""

from __future__ import annotations

import math

import torch

from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.model import FlowModel

method = MaximumLikelihood(learning_rate=1e-3)


class NSF(FlowModel):
    """Rows x of `features` numbers, given a `context` c if there is one."""

    def __init__(
        self,
        features: int = 2,
        context: int = 0,
        transforms: int = 3,
        hidden: tuple[int, ...] = (64, 64),
        bins: int = 8,
    ) -> None:
        settings = {"transforms": transforms, "hidden": hidden, "bins": bins}
        super().__init__("nsf", features, context=context, **settings)


def data(rows: int = 2000, noise: float = 0.1, seed: int = 0) -> dict[str, torch.Tensor]:
    """Points of the moons, (rows, 2): half circles of radius 1 about (0, 0) and (1, 1/2)."""
    random = torch.Generator().manual_seed(seed)
    angle = math.pi * torch.rand(rows, generator=random)
    lower = torch.arange(rows) % 2 == 1
    upper_moon = torch.stack([angle.cos(), angle.sin()], -1)
    lower_moon = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], -1)
    points = torch.where(lower[:, None], lower_moon, upper_moon)
    return {"x": points + noise * torch.randn(rows, 2, generator=random)}
