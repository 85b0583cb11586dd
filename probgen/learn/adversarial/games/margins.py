"""Games of margins, distances and energies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from probgen.learn.adversarial.games.game import Game
from probgen.learn.adversarial.value import check_number

__all__ = ["Energy", "Hinge", "LeastSquares", "Relativistic", "Wasserstein"]


@dataclass(frozen=True, repr=False)
class LeastSquares(Game):
    """Regression on 1 for real and 0 for fake (Mao et al. 2017)."""

    signed: ClassVar[bool] = False

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E (D(real) - 1)^2 / 2 + E D(fake)^2 / 2."""
        return ((real - 1).square().mean() + fake.square().mean()) / 2

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """E (D(fake) - 1)^2 / 2."""
        return (fake - 1).square().mean() / 2

    @property
    def formula(self) -> str:
        """Both losses."""
        return "critic E (D(real) - 1)^2 / 2 + E D(fake)^2 / 2; program E (D(fake) - 1)^2 / 2"


@dataclass(frozen=True, repr=False)
class Hinge(Game):
    """Margins of 1 (Lim and Ye 2017; Miyato et al. 2018)."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E relu(1 - D(real)) + E relu(1 + D(fake))."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E D(fake)."""
        return -fake.mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return "critic E relu(1 - D(real)) + E relu(1 + D(fake)); program -E D(fake)"


@dataclass(frozen=True, repr=False)
class Wasserstein(Game):
    """The difference of means (Arjovsky et al. 2017), the critic being held to be Lipschitz.

    Give a `GradientPenalty`, or a critic with spectral norm: without either the loss has no
    lower bound.
    """

    signed: ClassVar[bool] = False

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E D(fake) - E D(real), minus an estimate of the distance."""
        return fake.mean() - real.mean()

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """-E D(fake)."""
        return -fake.mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return "critic E D(fake) - E D(real); program -E D(fake)"


@dataclass(frozen=True, repr=False)
class Relativistic(Game):
    """Real rows score above fake ones, rather than high (Jolicoeur-Martineau 2019).

    With `average` the loss is no mean over rows but of the batch's mean scores: several processes,
    each with the means of its own rows, are not exactly one with all of them.

    Args:
        average: against the mean score of the other side; False against the row beside it.
        hinge: margins of 1 in place of the logistic loss.

    """

    average: bool = True
    hinge: bool = False
    both: ClassVar[bool] = True
    signed: ClassVar[bool] = False

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E l(t): t is how far a real row scores above a fake one, and l falls with it."""
        return self._loss(real, fake)

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """The critic's loss with the sides exchanged."""
        return self._loss(fake, real)

    def _loss(self, high: Tensor, low: Tensor) -> Tensor:
        if not self.average:
            count = min(len(high), len(low))
            return self._cost(high[:count] - low[:count]).mean()
        above = self._cost(high - low.mean()).mean()
        return above + self._cost(high.mean() - low).mean()

    def _cost(self, margin: Tensor) -> Tensor:
        return relu(1 - margin) if self.hinge else softplus(-margin)

    @property
    def formula(self) -> str:
        """Both losses."""
        cost = "relu(1 - t)" if self.hinge else "sp(-t)"
        sides = "l(D(real) - D(fake))"
        if self.average:
            sides = "l(D(real) - mean D(fake)) + E l(mean D(real) - D(fake))"
        return f"critic E {sides}, l(t) = {cost}; program the same with the sides exchanged"


@dataclass(frozen=True, repr=False)
class Energy(Game):
    """Scores are energies, low for real rows (Zhao, Mathieu and LeCun 2017).

    Args:
        margin: energy that fakes are raised to and no further.

    """

    margin: float = 10.0
    signed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "margin", above=True)

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """E D(real) + E relu(margin - D(fake)): the margin itself where the sides are equal."""
        return real.mean() + relu(self.margin - fake).mean()

    def player(self, real: Tensor, fake: Tensor) -> Tensor:
        """E D(fake)."""
        return fake.mean()

    @property
    def formula(self) -> str:
        """Both losses."""
        return f"critic E D(real) + E relu({self.margin:g} - D(fake)); program E D(fake)"
