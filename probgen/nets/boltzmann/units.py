"""Units of a Boltzmann machine: blocks of like variables, each an exponential family.

A block's state is a tensor (batch, width): 0 or 1 for Bernoulli units, one-hot codes side by side
for categorical ones, real numbers for Gaussian ones. Its *activation* is the natural parameter
given the neighbours (bias plus weighted input): the log-odds, the logits, or the mean.

Source: Welling, Rosen-Zvi & Hinton (2005), exponential family harmoniums; Gaussian units with
variances as parameters after Cho, Ilin & Raiko (2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.nn import functional

from probgen.errors import OptionError
from probgen.nets.stream import Stream

__all__ = ["KINDS", "Units"]

KINDS = ("bernoulli", "categorical", "gaussian")


@dataclass(frozen=True)
class Units:
    """A block of `size` units of one kind; a site of the Pyro program, called `name`.

    Args:
        name: of the site.
        size: number of variables.
        kind: "bernoulli", "categorical" or "gaussian".
        states: of each categorical variable.
        optional: categorical units only: whether a unit without a value (NaN) takes no part in
            the energy of its case, as the items that a user has not rated (Salakhutdinov, Mnih
            & Hinton 2007). Its code is all zeros.

    """

    name: str
    size: int
    kind: str = "bernoulli"
    states: int = 2
    optional: bool = False

    def __post_init__(self) -> None:
        """Validate."""
        if self.kind not in KINDS:
            raise OptionError(f"Units {self.name!r}: kind={self.kind!r} must be one of {KINDS}.")
        if not self.name.isidentifier():
            raise OptionError(
                f"Units {self.name!r}: the name of a site must be an identifier, such as 'x'."
            )
        if self.optional and self.kind != "categorical":
            raise OptionError(
                f"Units {self.name!r}: only categorical units can be optional; a {self.kind} unit "
                "has no code for an absent value."
            )
        if self.size < 1 or (self.kind == "categorical" and self.states < 2):
            raise OptionError(
                f"Units {self.name!r}: size={self.size}, states={self.states}; there must be at "
                "least one unit, and two states of each."
            )

    def __str__(self) -> str:
        """For instance "x: 64 bernoulli"."""
        states = f" of {self.states} states" if self.kind == "categorical" else ""
        return f"{self.name}: {self.size} {self.kind}{states}{', optional' * self.optional}"

    @property
    def width(self) -> int:
        """Numbers that stand for one state of the block."""
        return self.size * self.states if self.kind == "categorical" else self.size

    @property
    def discrete(self) -> bool:
        """Whether the states can be listed."""
        return self.kind != "gaussian"

    def encode(self, values: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Values as the site has them, (batch, size), as states (batch, width).

        Missing categorical values (NaN) have the code zero. Nothing is checked here: see
        `probgen.nets.boltzmann.values`.
        """
        if self.kind != "categorical":
            return values if dtype is None else values.to(dtype)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if not values.is_floating_point():
            return functional.one_hot(values.long(), self.states).flatten(-2).to(dtype)
        known = ~values.isnan()
        codes = functional.one_hot(values.where(known, 0.0).long(), self.states)
        return (codes * known[..., None]).flatten(-2).to(dtype)

    def decode(self, state: Tensor) -> Tensor:
        """The inverse of `encode`; state numbers are int64, or float of optional units."""
        if self.kind != "categorical":
            return state
        codes = self._grouped(state)
        numbers = codes.argmax(-1)
        if not self.optional:
            return numbers
        return numbers.to(state.dtype).where(codes.sum(-1) > 0, torch.nan)

    def log_partitions(self, activation: Tensor) -> Tensor:
        """Of every unit, the log of the sum over its states of exp(activation . state), nats.

        (batch, width) -> (batch, size); the sum is infinite for Gaussian units: `OptionError`.
        """
        if self.kind == "bernoulli":
            return functional.softplus(activation)
        if self.kind == "categorical":
            return self._grouped(activation).logsumexp(-1)
        raise OptionError(f"Units {self.name!r}: Gaussian units have no sum over states.")

    def log_partition(self, activation: Tensor) -> Tensor:
        """Log of the sum over discrete states of exp(activation . state), nats, (batch,)."""
        return self.log_partitions(activation).sum(-1)

    def mean(self, activation: Tensor) -> Tensor:
        """Expected state given the neighbours, (batch, width)."""
        if self.kind == "bernoulli":
            return torch.sigmoid(activation)
        if self.kind == "categorical":
            return self._grouped(activation).softmax(-1).flatten(-2)
        return activation

    def draw(self, activation: Tensor, stream: Stream, scale: Tensor | None = None) -> Tensor:
        """A state drawn given the neighbours; `scale` are the Gaussian units' deviations."""
        random = stream.generator(activation.device)
        if self.kind == "bernoulli":
            uniform = torch.empty_like(activation).uniform_(generator=random)
            return (uniform < torch.sigmoid(activation)).to(activation.dtype)
        if self.kind == "gaussian":
            noise = torch.empty_like(activation).normal_(generator=random)
            return activation + noise * (1.0 if scale is None else scale)
        below = self._grouped(activation).softmax(-1).cumsum(-1)
        uniform = torch.empty_like(below[..., :1]).uniform_(generator=random)
        chosen = (uniform >= below).sum(-1).clamp(max=self.states - 1)
        return functional.one_hot(chosen, self.states).flatten(-2).to(activation.dtype)

    def law(self, activation: Tensor, scale: Tensor | None = None) -> dist.TorchDistribution:
        """The conditional distribution of the site's values given the neighbours."""
        if self.kind == "gaussian":
            deviation = torch.ones_like(activation) if scale is None else scale
            return dist.Normal(activation, deviation).to_event(1)
        if self.kind == "categorical":
            return dist.Categorical(logits=self._grouped(activation)).to_event(1)
        return dist.Bernoulli(logits=activation).to_event(1)

    def base(self, like: Tensor) -> dist.TorchDistribution:
        """The reference measure as a distribution without density: counting, or Lebesgue."""
        return self.law(like.new_zeros(self.width)).mask(False)

    def _grouped(self, activation: Tensor) -> Tensor:
        return activation.unflatten(-1, (self.size, self.states))
