"""Sites as Stan declares parameters: a support, and a density on it that may be missing."""

from __future__ import annotations

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints


def flat(name: str, *shape: int) -> torch.Tensor:
    """Real values that have no prior."""
    return pyro.sample(
        name,
        dist.ImproperUniform(constraints.independent(constraints.real, len(shape)), (), shape),
    )


def flat_positive(name: str, *shape: int) -> torch.Tensor:
    """Positive values that have no prior."""
    support = constraints.independent(constraints.positive, len(shape))
    return pyro.sample(name, dist.ImproperUniform(support, (), shape))


def uniform(name: str, low: float, high: float) -> torch.Tensor:
    """A value that is as likely anywhere between its bounds."""
    return pyro.sample(name, dist.Uniform(low, high))


def on_support(name: str, support: Any, prior: Any) -> torch.Tensor:
    """A site on a support that its prior does not know, such as ordered normals."""
    value = pyro.sample(name, dist.ImproperUniform(support, (), prior.batch_shape))
    pyro.factor(f"{name}_prior", prior.log_prob(value).sum())
    return value


def normals(name: str, size: int, centre: float = 0.0, spread: float = 1.0) -> torch.Tensor:
    """A vector of independent normal values."""
    return pyro.sample(name, dist.Normal(centre, spread).expand([size]).to_event(1))
