"""Penalties on the critic's scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.adversarial.augmentations import Augmentation
from probgen.learn.adversarial.situation import Penalty, Situation
from probgen.learn.adversarial.value import call_form, check_count, check_number
from probgen.learn.training.schedules import Schedule

__all__ = ["Consistency", "Drift", "LeCam"]


@dataclass(frozen=True, repr=False)
class Drift(Penalty):
    """Scores near zero, which the Wasserstein game leaves open (Karras et al. 2018)."""

    weight: float | Schedule = 1e-3
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_count(self, "every")

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "drift"

    def term(self, at: Situation) -> Tensor:
        """E D(real)^2."""
        return at.scores("real").square().mean()

    @property
    def measured(self) -> str:
        """The term."""
        return "E D(real)^2"


@dataclass(frozen=True, repr=False)
class LeCam(Penalty):
    """Scores near what the other side scored so far, for few data (Tseng et al. 2021).

    Of several processes each has the running means of its own rows.

    Args:
        weight: of the penalty.
        decay: of the running means of scores, which begin at 0 and are part of the checkpoint.
        every: of how many of the critic's turns it is applied in one, times as many.

    """

    weight: float | Schedule = 0.1
    decay: float = 0.99
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_number(self, "decay")
        check_count(self, "every")
        if self.decay >= 1:
            raise OptionError(f"LeCam(decay={self.decay!r}): it must be below 1.")

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "lecam"

    def start(self, device: torch.device) -> dict[str, Tensor]:
        """Running means of both sides' scores."""
        return {side: torch.zeros((), device=device) for side in ("real", "fake")}

    def term(self, at: Situation) -> Tensor:
        """E (D(real) - mean of fake)^2 + E (D(fake) - mean of real)^2, the means being running."""
        for side in ("real", "fake"):
            score = at.scores(side).detach().mean().to(at.state[side].dtype)
            at.state[side] = torch.lerp(score, at.state[side], self.decay)
        real = at.scores("real") - at.state["fake"]
        fake = at.scores("fake") - at.state["real"]
        return real.square().mean() + fake.square().mean()

    @property
    def measured(self) -> str:
        """The term."""
        return (
            f"E (D(real) - a_fake)^2 + E (D(fake) - a_real)^2, "
            f"a = running means (decay {self.decay:g})"
        )


@dataclass(frozen=True, repr=False)
class Consistency(Penalty):
    """Scores that an augmentation leaves as they are (Zhang et al. 2020; Zhao et al. 2021).

    Args:
        augment: a value of `pg.augmentations`, or a function of a site's values.
        weight: of the penalty.
        fake: whether fakes count, too (balanced consistency).
        every: of how many of the critic's turns it is applied in one, times as many.

    """

    augment: Any
    weight: float | Schedule = 10.0
    fake: bool = False
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_count(self, "every")
        if not callable(self.augment):
            raise OptionError(
                f"Consistency({self.augment!r}): give an augmentation, such as "
                "pg.augmentations.DiffAugment('translation')."
            )
        if isinstance(getattr(self.augment, "scale", None), Schedule):
            raise OptionError(
                f"Consistency({self.augment!r}): here the scale of the noise is one number."
            )

    @property
    def label(self) -> str:
        """The name of its metric."""
        return "consistency"

    def term(self, at: Situation) -> Tensor:
        """E (D(real) - D(T(real)))^2, and the same of fakes."""
        found = torch.zeros((), device=at.real[0].device)
        for side in ("real", "fake") if self.fake else ("real",):
            values = [v.detach() for v in getattr(at, side)]
            moved = [self.augment(v) if self._concerns(at, n) else v for n, v in enumerate(values)]
            found = found + (at.scores(side) - at.critic(*moved)).square().mean()
        return found

    def _concerns(self, at: Situation, place: int) -> bool:
        value = at.real[place]
        if not isinstance(self.augment, Augmentation):
            return value.is_floating_point()
        return self.augment.concerns(at.sites[place] if at.sites else "", value)

    @property
    def measured(self) -> str:
        """The term."""
        sides = " + ".join(
            f"E (D({side}) - D(T({side})))^2"
            for side in (("real", "fake") if self.fake else ("real",))
        )
        return f"{sides}, T = {call_form(self.augment)}"
