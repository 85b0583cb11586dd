"""Guides by name, at a start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from probgen.errors import OptionError
from probgen.inference.variational.guides.base import Guide
from probgen.inference.variational.guides.flow import FLOWS, Flow
from probgen.inference.variational.guides.low_rank import LowRank
from probgen.inference.variational.guides.mean_field import MeanField
from probgen.inference.variational.guides.mixture import Mixture
from probgen.inference.variational.guides.multivariate import Multivariate
from probgen.inference.variational.guides.whitened import Whitened
from probgen.inference.variational.start import Start

if TYPE_CHECKING:
    from probgen.inference.variational.svi import SVI

__all__ = ["make_guide"]

_LARGEST = 2000
"""Coordinates above which a guide with dim^2 parameters is refused."""


def make_guide(method: SVI, start: Start, seed: int) -> Whitened:
    """The guide that `method` names, near the normal of `start`.

    Raises `OptionError` for a guide that is too large for the model.
    """
    name, dim = method.guide or "mean_field", start.dim
    generator = torch.Generator().manual_seed(seed)
    inner: Guide
    if name == "mean_field":
        return Whitened(MeanField(dim), start.centre, start.conditional_scale)
    if name == "low_rank":
        ranks = method.ranks or math.ceil(math.sqrt(dim))
        inner = LowRank(start.loadings(min(ranks, dim), generator))
        return Whitened(inner, start.centre, start.conditional_scale)
    if name == "multivariate":
        if dim > _LARGEST:
            raise OptionError(
                f"SVI(guide='multivariate'): the model has {dim} coordinates, and a full "
                f"covariance serves up to {_LARGEST}; take 'low_rank' or 'mean_field'."
            )
        inner = Multivariate(dim)
    elif name == "mixture":
        inner = Mixture(start.places(method.components, generator))
    elif name in FLOWS:
        inner = Flow(name, dim, method.transforms, method.hidden, seed)
    else:
        raise OptionError(f"SVI(guide={name!r}) is no guide over the unconstrained space.")
    return Whitened(inner, start.centre, start.factor)
