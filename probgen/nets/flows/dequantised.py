"""Flows over integers, such as pixels and counts: noise fills the cells between them.

    log P(x) = log of the integral of p(x + u) over u in [0, 1)^D >= E_q log p(x + u) / q(u | x)

with uniform noise (Theis, van den Oord & Bethge 2016, section 3.1), or noise that a flow learns
given x (variational dequantisation; Ho et al. 2019, Flow++), whose bound is tighter. Bounded
integers go through a logit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from probgen.errors import OptionError
from probgen.nets.flows.factory import build_flow
from probgen.nets.flows.law import unvalidated
from probgen.nets.flows.model import FlowModel
from probgen.nets.flows.preconditioning import Logit

__all__ = ["DequantisedFlow"]

_NOISE = ("uniform", "variational")


class DequantisedFlow(FlowModel):
    """Rows of integers x, (row, features).

    Args:
        kind, features: see `FlowModel`.
        levels: values are 0 ... levels - 1; None for counts without a bound.
        noise: "uniform" or "variational".
        seed: of the first weights.
        settings: of `FlowModel`.

    """

    discrete = True
    exact = False

    def __init__(
        self,
        kind: str = "realnvp",
        features: int = 64,
        levels: int | None = 256,
        *,
        noise: str = "uniform",
        seed: int = 0,
        **settings: Any,
    ) -> None:
        if noise not in _NOISE:
            raise OptionError(f"noise={noise!r}: must be one of {', '.join(_NOISE)}.")
        if levels is not None and (not isinstance(levels, int) or levels < 2):
            raise OptionError(f"levels={levels!r}: must be an integer of at least 2, or None.")
        bounded = () if levels is None else (Logit(0.0, float(levels)),)
        super().__init__(kind, features, before=bounded, seed=seed, **settings)
        self.levels = levels
        self.noise = None
        if noise == "variational":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed + 1)
                self.noise = build_flow("realnvp", features, context=features, identity=True)

    @property
    def support(self) -> Any:
        """The integers."""
        one = (
            constraints.nonnegative_integer
            if self.levels is None
            else constraints.integer_interval(0, self.levels - 1)
        )
        return constraints.independent(one, 1)

    def log_prob(self, x: Tensor, c: Tensor | None = None, draws: int = 1) -> Tensor:
        """A lower bound on log P(row) in nats, which `draws` of the noise make tighter.

        Its exponential is unbiased. (..., features) -> (...).
        """
        u, log_q = self._noise(x, draws)
        log_weights = super().log_prob(x + u, c) - log_q
        return log_weights.logsumexp(0) - math.log(draws)

    def bits_per_dimension(self, x: Tensor, c: Tensor | None = None, draws: int = 1) -> Tensor:
        """Mean of -log2 P(row) / features over rows, by the bound of `log_prob`."""
        return -self.log_prob(x, c, draws).mean() / (self.features * math.log(2))

    def draw(self, shape: torch.Size, c: Tensor | None = None) -> Tensor:
        """Integers, shape + (features,)."""
        x = super().draw(shape, c).floor()
        return x.clamp(min=0, max=None if self.levels is None else self.levels - 1)

    def start_from(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Take means and deviations from data with uniform noise."""
        random = torch.Generator().manual_seed(0)

        def noisy(x: Tensor) -> Tensor:
            return x + torch.rand(x.shape, generator=random).to(x.device)

        super().start_from({**batch, "x": noisy(batch["x"])} for batch in batches)

    def _noise(self, x: Tensor, draws: int) -> tuple[Tensor, Tensor | float]:
        """Noise, (draws, ..., features), and its log density, (draws, ...)."""
        shape = torch.Size((draws, *x.shape))
        if self.noise is None:
            return torch.rand(shape, dtype=self._first_weight().dtype, device=x.device), 0.0
        middle, _ = self.precondition(x + 0.5)
        with unvalidated():
            v, log_q = self.noise(middle.expand(shape)).rsample_and_log_prob()
        # through the normal distribution function, so that the noise begins as uniform
        slope = -0.5 * v.square().sum(-1) - 0.5 * self.features * math.log(2 * math.pi)
        return torch.special.ndtr(v), log_q - slope
