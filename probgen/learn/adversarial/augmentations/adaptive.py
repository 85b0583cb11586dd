"""Augmentation as strong as overfitting asks for.

Karras, Aittala, Hellsten, Laine, Lehtinen and Aila (2020), "Training generative adversarial
networks with limited data", NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.adversarial.augmentations.augmentation import Augmentation, read_sites
from probgen.learn.adversarial.augmentations.images import KINDS, read_kinds
from probgen.learn.adversarial.value import check_count, check_number

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["ADA"]


@dataclass(frozen=True, repr=False, init=False)
class ADA(Augmentation):
    """Each transformation with a probability that follows how sure the critic is of real rows.

    The probability rises while the mean sign of the critic's scores of real rows is above
    `target`, and else falls. It begins at 0, and is part of the checkpoint. So it is for games
    whose scores are above 0 for real rows: `NonSaturating` and its kin, and `Hinge`.

    Args:
        kinds: names as in `DiffAugment`; all but "color" if none is given.
        target: the mean sign, -1 to 1, that is held.
        interval: turns of the critic between changes.
        ramp: real rows that take the probability from 0 to 1.
        sites: names of sites of images; None for all of that shape.

    """

    kinds: tuple[str, ...]
    target: float = 0.6
    interval: int = 4
    ramp: int = 500_000
    sites: tuple[str, ...] | None = None

    def __init__(
        self,
        *names: str,
        kinds: Any = (),
        target: float = 0.6,
        interval: int = 4,
        ramp: int = 500_000,
        sites: Any = None,
    ) -> None:
        chosen = (*names, *kinds) or tuple(kind for kind in KINDS if kind != "color")
        given = {"kinds": chosen, "target": target, "interval": interval, "ramp": ramp}
        for name, value in {**given, "sites": sites}.items():
            object.__setattr__(self, name, value)
        read_kinds(self)
        read_sites(self)
        check_number(self, "target", least=-1.0)
        check_count(self, "interval", "ramp")
        if self.target > 1:
            raise OptionError(f"ADA(target={target!r}): a mean of signs is at most 1.")

    def __call__(
        self, value: Tensor, state: dict[str, Tensor] | None = None, loop: Loop | None = None
    ) -> Tensor:
        """Images, each transformation in a share of the rows."""
        share = torch.ones((), device=value.device) if state is None else state["probability"]
        for kind in self.kinds:
            for transform in KINDS[kind]:
                chosen = torch.rand(len(value), 1, 1, 1, device=value.device) < share
                value = torch.where(chosen, transform(value), value)
        return value

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Images."""
        return len(shape) == 3

    def start(self, device: torch.device) -> dict[str, Tensor]:
        """The probability, and the signs since it was changed."""
        names = ("probability", "signs", "rows", "turns")
        return {name: torch.zeros((), device=device) for name in names}

    def observe(self, real: Tensor, state: dict[str, Tensor], loop: Loop) -> None:
        """Count signs, and change the probability at the end of an interval."""
        state["signs"] = state["signs"] + real.detach().sign().sum().float()
        state["rows"] = state["rows"] + len(real)
        state["turns"] = (state["turns"] + 1) % self.interval
        if loop.world > 1:
            loop.place.average([state["signs"], state["rows"]], 1.0)
        over = (state["turns"] == 0).float()
        rise = torch.sign(state["signs"] / state["rows"] - self.target)
        moved = state["probability"] + rise * state["rows"] * loop.world / self.ramp
        state["probability"] = torch.lerp(state["probability"], moved.clamp(0, 1), over)
        state["signs"], state["rows"] = state["signs"] * (1 - over), state["rows"] * (1 - over)

    def metrics(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The probability."""
        return {"augmentation": state["probability"]}

    @property
    def formula(self) -> str:
        """The transformation."""
        kinds = ", ".join(self.kinds)
        return f"T = each of {kinds} with probability p, sign of D(real) held at {self.target:g}"
