"""Grey levels: mixtures of logistic laws rounded to whole numbers.

Salimans, Karpathy, Chen & Kingma (2017), "PixelCNN++". The mass of a level v is the logistic
law's between v - 1/2 and v + 1/2, and all that is beyond at the two ends.
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from probgen.errors import OptionError
from probgen.nets.likelihoods.base import Likelihood

__all__ = ["DiscretisedLogistic", "RoundedLogistics"]

_LEAST_LOG_SCALE = -7.0


class DiscretisedLogistic(Likelihood):
    """Whole numbers 0 ... levels-1 with an order, such as grey levels.

    The network gives `components` log weights, locations and log scales for every entry, in units
    where the levels go from -1 to 1.
    """

    def __init__(self, size: int, levels: int = 256, components: int = 1) -> None:
        super().__init__(size)
        if levels < 2 or components < 1:
            raise OptionError(
                f"DiscretisedLogistic(levels={levels!r}, components={components!r}): there must "
                "be 2 levels and a component, or more."
            )
        self.levels, self.components = levels, components
        self.each = 3 * components

    def entries(self, parameters: Tensor) -> dist.TorchDistribution:
        """Of parameters (..., 3 * components * size)."""
        weights, locations, scales = torch.stack(self.kinds(parameters), -1).chunk(3, -1)
        half = (self.levels - 1) / 2
        scales = half * scales.clamp(min=_LEAST_LOG_SCALE).exp()
        return RoundedLogistics(weights, half * (1 + locations), scales, self.levels)

    def extra_repr(self) -> str:
        """The size, the levels and the components."""
        return f"{self.size}, levels={self.levels}, components={self.components}"


class RoundedLogistics(dist.TorchDistribution):
    """A mixture of logistic laws rounded to 0 ... levels-1, in units of levels.

    Log weights, locations and scales are (..., component), the components along the last
    dimension.
    """

    arg_constraints = {  # noqa: RUF012  # as in every distribution of torch
        "weights": constraints.real_vector,
        "locations": constraints.real_vector,
        "scales": constraints.independent(constraints.positive, 1),
    }

    def __init__(
        self,
        weights: Tensor,
        locations: Tensor,
        scales: Tensor,
        levels: int,
        validate_args: bool | None = None,
    ) -> None:
        self.weights, self.locations, self.scales = weights, locations, scales
        self.levels = levels
        super().__init__(weights.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """Whole numbers."""
        return constraints.integer_interval(0, self.levels - 1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> RoundedLogistics:
        """Of another batch shape."""
        shape = (*batch_shape, self.weights.shape[-1])
        weights = self.weights.expand(shape)
        locations, scales = self.locations.expand(shape), self.scales.expand(shape)
        return RoundedLogistics(weights, locations, scales, self.levels, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log mass of levels, nats.

        sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)) keeps its digits in the
        tails.
        """
        if self._validate_args:
            self._validate_sample(value)
        v = value.unsqueeze(-1)
        upper = (v + 0.5 - self.locations) / self.scales
        lower = (v - 0.5 - self.locations) / self.scales
        below = logsigmoid(upper)
        above = logsigmoid(-lower)
        inner = below + above + torch.log(-torch.expm1(-1 / self.scales))
        mass = torch.where(v <= 0, below, torch.where(v >= self.levels - 1, above, inner))
        return (self.weights.log_softmax(-1) + mass).logsumexp(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Levels drawn, in the type of the locations."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            chosen = dist.Categorical(logits=self.weights).sample(sample_shape).unsqueeze(-1)
            place, scale = (
                part.expand(*shape, part.shape[-1]).gather(-1, chosen).squeeze(-1)
                for part in (self.locations, self.scales)
            )
            u = torch.rand(shape, dtype=place.dtype, device=place.device).clamp(1e-7, 1 - 1e-7)
            drawn = place + scale * (u.log() - (-u).log1p())
            return drawn.round().clamp(0, self.levels - 1)

    @property
    def mean(self) -> Tensor:
        """The mean level."""
        levels = torch.arange(self.levels, dtype=self.locations.dtype, device=self.weights.device)
        levels = levels.reshape(-1, *(1,) * len(self.batch_shape))
        return (levels * self.log_prob(levels).exp()).sum(0)
