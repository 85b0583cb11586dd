"""Normalizing flows as guides, by zuko.

"iaf" (Kingma et al. 2016), "nsf" and "coupling", "spline" (Durkan et al. 2019; Dinh et al. 2017)
draw in one pass of their networks. "maf" (Papamakarios et al. 2017) needs a pass per coordinate
for a draw and one for a density. All begin as the identity.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.inference.variational.guides.base import Transport

__all__ = ["FLOWS", "Flow"]

FLOWS = {
    "iaf": ("maf", True),
    "nsf": ("nsf", True),
    "maf": ("maf", False),
    "coupling": ("realnvp", True),
    "spline": ("nsf_coupling", True),
}
"""By name of the guide: the kind of flow, and whether its map is taken from noise to draws."""


class Flow(Transport):
    """z is a flow's map of u, or of which u is a flow's map."""

    def __init__(
        self, name: str, dim: int, transforms: int, hidden: tuple[int, ...], seed: int
    ) -> None:
        """The identity at first; the weights of hidden layers depend on `seed` alone."""
        from probgen.nets.flows.factory import build_flow

        super().__init__()
        self.dim = dim
        kind, self.draws_forward = FLOWS[name]
        self.quick_density = name in ("maf", "coupling", "spline")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = 2 * transforms if name in ("coupling", "spline") else transforms
            flow = build_flow(kind, dim, transforms=layers, hidden=hidden, identity=True)
        self.flow = flow.double()

    def forward_map(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z (count, dim) of the noise `u`, and log |det dz/du| (count,)."""
        transform = self.flow(None).transform
        return (transform if self.draws_forward else transform.inv).call_and_ladj(u)

    def inverse_map(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """u (count, dim) of `z`, and log |det du/dz| (count,)."""
        transform = self.flow(None).transform
        return (transform.inv if self.draws_forward else transform).call_and_ladj(z)
