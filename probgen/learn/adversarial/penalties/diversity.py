"""A penalty on a site that does not follow a latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.adversarial.situation import Penalty, Situation
from probgen.learn.adversarial.value import check_count, check_number
from probgen.learn.training.schedules import Schedule

__all__ = ["Diversity"]

_TINY = 1e-8


@dataclass(frozen=True, repr=False)
class Diversity(Penalty):
    """A site that moves with a latent (Yang et al. 2019; Kaneko and Harada 2020).

    The program runs twice, with different values of `latent`; sites that were drawn before it,
    or that no parameter has a part in, are those of the first run. The penalty is negative.

    Args:
        site, latent: names of sites of the program.
        weight: of the penalty.
        most: the ratio above which there is no more to be won; None for none.
        every: of how many of the program's turns it is applied in one, times as many.

    """

    site: str
    latent: str
    weight: float | Schedule = 0.02
    most: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "weight")
        check_count(self, "every")
        if self.site == self.latent:
            raise OptionError(f"Diversity({self.site!r}, {self.latent!r}): two different sites.")
        if self.most is not None:
            check_number(self, "most", above=True)

    @property
    def step_of(self) -> str:
        """The program's."""
        return "program"

    @property
    def label(self) -> str:
        """The name of its metric."""
        return f"diversity_{self.site}"

    def term(self, at: Situation) -> Tensor:
        """-E mean |site' - site| / mean |latent' - latent| over the entries of a row."""
        assert at.again is not None
        held: dict[str, Any] = {}
        before = True
        for name, message in at.drawn.items():
            if name == self.latent:
                before = False
            elif before or not message["value"].requires_grad:
                held[name] = message
        held.pop(self.site, None)
        other = at.again(held)
        moved, by = (
            change.abs().reshape(len(change), -1).mean(1)
            for change in (
                other[name]["value"] - at.drawn[name]["value"] for name in (self.site, self.latent)
            )
        )
        ratio = moved / (by + _TINY)
        return -(ratio if self.most is None else ratio.clamp(max=self.most)).mean()

    @property
    def measured(self) -> str:
        """The term."""
        ratio = f"|d {self.site}| / |d {self.latent}|"
        ratio = ratio if self.most is None else f"min({ratio}, {self.most:g})"
        return f"-E {ratio}"
