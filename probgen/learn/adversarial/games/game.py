"""What a game is: two losses over scores."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from probgen.learn.adversarial.value import Value

__all__ = ["Game"]


class Game(Value):
    """What critic and program lose.

    Attributes
    ----------
    both: whether the program's loss depends on the real rows' scores, too; a guide that draws a
        site of the game learns through these alone.
    features: whether `player` is given the critic's `features(*sites)` in place of scores.
    signed: whether scores above 0 say real and those below 0 fake.

    """

    both: ClassVar[bool] = False
    features: ClassVar[bool] = False
    signed: ClassVar[bool] = True

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss given scores, (row,) each."""
        raise NotImplementedError

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """The program's loss; `real` is of no concern to it unless `both`."""
        raise NotImplementedError
