"""Guides that are far from the identity, without a training."""

from __future__ import annotations

import torch

from probgen.inference.variational.guides.make import make_guide
from probgen.inference.variational.start import Start
from probgen.inference.variational.svi import SVI

SMALL = {"transforms": 2, "hidden": (8,)}


def random_guide(name: str, dim: int, seed: int = 1):
    """A guide of `name` with weights that are far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    factor = torch.eye(dim).double() + 0.3 * torch.ones(dim, dim).double().tril(-1)
    start = Start(torch.linspace(-1, 1, dim).double(), 0.7 * factor, torch.ones(dim).double())
    guide = make_guide(SVI(name, **SMALL), start, seed)
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator).double()
    return guide.requires_grad_(False)
