"""What an augmentation is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.adversarial.value import Value

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["Augmentation", "read_sites"]


class Augmentation(Value):
    """A differentiable random transformation of the values of a site, real and fake alike.

    `sites` are the names of those it concerns; None for all of real numbers that it can take.
    """

    sites: tuple[str, ...] | None

    def __call__(
        self, value: Tensor, state: dict[str, Tensor] | None = None, loop: Loop | None = None
    ) -> Tensor:
        """Values (row, ...), transformed."""
        raise NotImplementedError

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether it can transform rows of a shape."""
        return True

    def concerns(self, name: str, value: Tensor) -> bool:
        """Whether it is meant for a site, and can transform its values (row, ...)."""
        wanted = self.sites is None or name in self.sites
        return wanted and value.is_floating_point() and self.takes(tuple(value.shape[1:]))

    def start(self, device: torch.device) -> dict[str, Tensor]:
        """Tensors kept between steps, and in the checkpoint."""
        return {}

    def observe(self, real: Tensor, state: dict[str, Tensor], loop: Loop) -> None:
        """Look at the critic's scores of real rows, once in each of its turns."""

    def metrics(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is worth following, by name."""
        return {}


def read_sites(owner: Any) -> None:
    """Make `sites` of a value a tuple of names or None; raises `OptionError`."""
    given = owner.sites
    if given is None:
        return
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or not all(isinstance(name, str) for name in names):
        raise OptionError(f"{type(owner).__name__}(sites={given!r}): names of sites, or None.")
    object.__setattr__(owner, "sites", names)
