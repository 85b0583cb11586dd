"""What is done to data before a flow sees them, with its log-determinant: part of the model."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from probgen.errors import DataError, OptionError

__all__ = ["Logit", "Preconditioner", "Standardise"]


class Preconditioner(Protocol):
    """An invertible map of the rows of data, (..., features)."""

    support: Any

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor | float]:
        """The image, (..., features), and the log-determinant of the Jacobian, (...)."""

    def inverse(self, y: Tensor) -> Tensor:
        """Back."""

    def start_from(self, x: Tensor) -> Tensor:
        """Take what is learned from data, (row, features); returns their image."""


class Standardise(nn.Module):
    """y = (x - mean) / standard deviation of each feature, as the training data have them."""

    support = constraints.real_vector
    location: Tensor
    scale: Tensor
    ladj: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("ladj", torch.zeros(()))

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The standardised rows, and the log-determinant, the same for all."""
        return (x - self.location) / self.scale, self.ladj

    def inverse(self, y: Tensor) -> Tensor:
        """Back."""
        return y * self.scale + self.location

    @torch.no_grad()
    def start_from(self, x: Tensor, constant: bool = False) -> Tensor:
        """Take means and deviations.

        Raises `DataError` for a feature that is constant, unless these are left as they are.
        """
        location, scale = x.mean(0), x.std(0, correction=0)
        still = scale <= 1e-6 * (1 + location.abs())
        if still.any() and not constant:
            column = int(still.nonzero()[0])
            raise DataError(
                f"The feature in column {column} is {float(x[0, column]):g} in every row: its "
                "density is infinite there. Leave it out."
            )
        location, scale = location.where(~still, 0.0), scale.where(~still, 1.0)
        self.location.copy_(location)
        self.scale.copy_(scale)
        self.ladj.copy_(-scale.log().sum())
        return self.call_and_ladj(x)[0]

    def extra_repr(self) -> str:
        """The size."""
        return f"features={len(self.location)}"


class Logit(nn.Module):
    """y = logit(alpha + (1 - 2 alpha) (x - low) / (high - low)) of bounded data.

    RealNVP's (Dinh, Sohl-Dickstein & Bengio 2016, section 4.1); alpha keeps the ends finite.
    """

    def __init__(self, low: float, high: float, alpha: float = 0.05) -> None:
        super().__init__()
        if not low < high or not 0 < alpha < 0.5:
            raise OptionError(
                f"Logit({low}, {high}, {alpha}): low must be below high, and alpha in (0, 1/2)."
            )
        self.low, self.high, self.alpha = float(low), float(high), float(alpha)
        self.support = constraints.independent(constraints.interval(self.low, self.high), 1)

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The image, and the log-determinant."""
        slope = (1 - 2 * self.alpha) / (self.high - self.low)
        p = self.alpha + slope * (x - self.low)
        logit, log_p, log_q = p.logit(), p.log(), (-p).log1p()
        return logit, x.shape[-1] * math.log(slope) - (log_p + log_q).sum(-1)

    def inverse(self, y: Tensor) -> Tensor:
        """Back; what alpha left beyond the ends is put on them."""
        slope = (1 - 2 * self.alpha) / (self.high - self.low)
        return ((y.sigmoid() - self.alpha) / slope + self.low).clamp(self.low, self.high)

    def start_from(self, x: Tensor) -> Tensor:
        """Nothing is learned."""
        return self.call_and_ladj(x)[0]

    def extra_repr(self) -> str:
        """The bounds."""
        return f"[{self.low:g}, {self.high:g}], alpha={self.alpha:g}"
