"""Penalties on the gradient of the critic with respect to its input, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from probgen.learn.adversarial.situation import Penalty, Situation, leaves, squared_gradients
from probgen.learn.adversarial.value import check_count, check_number
from probgen.learn.training.schedules import Schedule

__all__ = ["DRAGAN", "R1", "R2", "GradientPenalty", "OnGradient"]

_TINY = 1e-12  # where the root has no gradient


class OnGradient(Penalty):
    """A penalty that differentiates the critic with respect to sites of real numbers."""

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_count(self, "every")


@dataclass(frozen=True, repr=False)
class R1(OnGradient):
    """The squared gradient at real rows, halved (Mescheder, Geiger and Nowozin 2018)."""

    weight: float | Schedule = 10.0
    every: int = 1

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "r1"

    @property
    def differentiates(self) -> tuple[str, ...]:
        """Real rows."""
        return ("real",)

    def term(self, at: Situation) -> Tensor:
        """E |grad D(real)|^2 / 2."""
        return at.gradients("real").mean() / 2

    @property
    def measured(self) -> str:
        """The term."""
        return "E |grad D(real)|^2 / 2"


@dataclass(frozen=True, repr=False)
class R2(OnGradient):
    """The squared gradient at fake rows, halved (Mescheder, Geiger and Nowozin 2018)."""

    weight: float | Schedule = 10.0
    every: int = 1

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "r2"

    @property
    def differentiates(self) -> tuple[str, ...]:
        """Fake rows."""
        return ("fake",)

    def term(self, at: Situation) -> Tensor:
        """E |grad D(fake)|^2 / 2."""
        return at.gradients("fake").mean() / 2

    @property
    def measured(self) -> str:
        """The term."""
        return "E |grad D(fake)|^2 / 2"


@dataclass(frozen=True, repr=False)
class GradientPenalty(OnGradient):
    """Norms of 1 between real and fake rows (Gulrajani et al. 2017), each row's own.

    Sites of whole numbers, such as labels, are those of the real row.

    Args:
        weight: of the penalty.
        target: the norm that costs nothing.
        one_sided: whether smaller norms cost nothing either.
        every: of how many of the critic's turns it is applied in one, times as many.

    """

    weight: float | Schedule = 10.0
    target: float = 1.0
    one_sided: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        super().__post_init__()
        check_number(self, "target")

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "gradient_penalty"

    def term(self, at: Situation) -> Tensor:
        """E (|grad D(a real + (1 - a) fake)| - target)^2, a ~ Uniform(0, 1) for each row."""
        rows = min(len(at.real[0]), len(at.fake[0]))
        share = torch.rand(rows, device=at.real[0].device)
        between = leaves(
            tuple(
                _mixed(real[:rows], fake[:rows], share)
                for real, fake in zip(at.real, at.fake, strict=True)
            )
        )
        return _away(squared_gradients(at.critic(*between), between), self.target, self.one_sided)

    @property
    def measured(self) -> str:
        """The term."""
        away = f"|grad D(between)| - {self.target:g}"
        away = f"relu({away})" if self.one_sided else f"({away})"
        return f"E {away}^2, between = a real + (1 - a) fake"


@dataclass(frozen=True, repr=False)
class DRAGAN(OnGradient):
    """Norms of 1 around real rows (Kodali et al. 2017).

    Args:
        weight: of the penalty.
        radius: of the noise, in standard deviations of the batch.
        every: of how many of the critic's turns it is applied in one, times as many.

    """

    weight: float | Schedule = 10.0
    radius: float = 0.5
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        super().__post_init__()
        check_number(self, "radius")

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "dragan"

    def term(self, at: Situation) -> Tensor:
        """E (|grad D(real + a radius std u)| - 1)^2, a and u ~ Uniform(0, 1), a for each row."""
        share = torch.rand(len(at.real[0]), device=at.real[0].device)
        near = leaves(tuple(_near(real.detach(), share, self.radius) for real in at.real))
        return _away(squared_gradients(at.critic(*near), near), 1.0, False)

    @property
    def measured(self) -> str:
        """The term."""
        return f"E (|grad D(near)| - 1)^2, near = real + {self.radius:g} std a u"


def _away(squared: Tensor, target: float, one_sided: bool) -> Tensor:
    apart = (squared + _TINY).sqrt() - target
    return (apart.clamp(min=0) if one_sided else apart).square().mean()


def _mixed(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    real, fake = real.detach(), fake.detach()
    if not real.is_floating_point():
        return real
    return torch.lerp(fake, real.to(fake.dtype), _rows(share, fake))


def _near(real: Tensor, share: Tensor, radius: float) -> Tensor:
    if not real.is_floating_point():
        return real
    reach = radius * real.std(correction=0)  # 0 for a single number
    return real + _rows(share, real) * reach * torch.rand_like(real)


def _rows(share: Tensor, value: Tensor) -> Tensor:
    """A number for each row, so shaped that it multiplies whole rows."""
    return share.to(value.dtype).reshape(-1, *[1] * (value.dim() - 1))
