"""Adversarial learning of programs: what a critic cannot tell from data.

Goodfellow et al. (2014), "Generative adversarial nets", and its many games; Tran, Ranganath and
Blei (2017) for programs; Donahue et al. (2017) and Dumoulin et al. (2017) for guides in the game.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from probgen.errors import OptionError
from probgen.learn.adversarial.alternation import Alternate
from probgen.learn.adversarial.augmentations import Augmentation
from probgen.learn.adversarial.codes import read_codes
from probgen.learn.adversarial.games import Game, NonSaturating
from probgen.learn.adversarial.situation import Penalty
from probgen.learn.adversarial.value import Value, check_number
from probgen.learn.training.schedules import Schedule
from probgen.learn.training.watch import Watch

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.options import TrainingOptions
    from probgen.learn.training.protocol import Learner

__all__ = ["Adversarial"]

_GAME, _SCHEDULE = NonSaturating(), Alternate()


@dataclass(frozen=True, repr=False)
class Adversarial(Value):
    """A program and a critic that compares its draws with data at named sites.

    Fake rows: the program run on a minibatch with its observed sites drawn anew. Real rows: the
    data, and for sites that the data lack a run of the guide on the data. The program may have
    sites without a density (`Implicit`), and others, alike.

    In a step the program draws once. Critic and program are in their mode for training, so that
    batch normalisation takes the statistics of the rows it is given: real and fake rows go
    through the critic apart from each other, and the running statistics follow both. `fit`
    gives the model back in its mode for training; call `eval()` before drawing from it.

    Args:
        critic: a module that gives scores (row,) of the values of the sites in their order; a
            function that makes one; None for the model's own `critic`. A module is copied, but
            for parts of the model, which stay its own: the critic learns them, not the program.
        sites: names of the sites compared, and of arguments that are no sites, which are the
            same on both sides; None for the observed sites.
        guide: a program that draws sites given data, for sites that the data lack and for codes;
            None for the model's own `guide`, if it has one. A module is copied as a critic is.
        game: a value of `pg.games`.
        penalties: values of `pg.penalties`.
        codes: sites that the guide reads off the others: `Code` values, or weights by site.
        schedule: whose turn it is, `Alternate(critic=1, program=1)`.
        augment: values of `pg.augmentations`, applied to both sides before the critic in turn.
        learning_rate: of the program, a number or a schedule.
        critic_learning_rate: of the critic; None for that of the program.
        optimiser: the name of a class of `torch.optim`, or a function from parameters to one.
        betas: of Adam and its kin.

    Raises `OptionError` for values out of range.

    Example:
        >>> Adversarial(sites=("x", "y"), learning_rate=1e-3)
        Adversarial(sites=('x', 'y'), learning_rate=0.001)
    """

    critic: Any = None
    sites: tuple[str, ...] | None = None
    guide: Any = None
    game: Game = _GAME
    penalties: tuple[Penalty, ...] = ()
    codes: Any = ()
    schedule: Alternate = _SCHEDULE
    augment: tuple[Augmentation, ...] = ()
    learning_rate: float | Schedule = 2e-4
    critic_learning_rate: float | Schedule | None = None
    optimiser: str | Callable[..., Any] = "adam"
    betas: tuple[float, float] = (0.5, 0.999)
    name: ClassVar[str] = "Adversarial"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {
        "epochs": 100,
        "batch_size": 64,
        "watch": Watch(every=None),
    }

    def __post_init__(self) -> None:
        """Validate the settings."""
        _set(self, "sites", _names(self.sites))
        _set(self, "codes", read_codes(self.codes))
        _set(self, "penalties", _values(self, "penalties", Penalty, "pg.penalties.R1(10.0)"))
        example = "pg.augmentations.InstanceNoise(0.1)"
        _set(self, "augment", _values(self, "augment", Augmentation, example))
        if isinstance(self.game, type) and issubclass(self.game, Game):
            _set(self, "game", self.game())
        for option, kind, example in (
            ("game", Game, "pg.games.Hinge()"),
            ("schedule", Alternate, "pg.Alternate(critic=5)"),
        ):
            if not isinstance(getattr(self, option), kind):
                raise OptionError(
                    f"Adversarial({option}={getattr(self, option)!r}): give a value such as "
                    f"{example}."
                )
        for option in ("critic", "guide"):
            value = getattr(self, option)
            if value is not None and not callable(value):
                raise OptionError(f"Adversarial({option}={value!r}): give a module, or None.")
        check_number(self, "learning_rate", above=True)
        if self.critic_learning_rate is not None:
            check_number(self, "critic_learning_rate", above=True)
        if not (isinstance(self.optimiser, str) or callable(self.optimiser)):
            raise OptionError(
                f"Adversarial(optimiser={self.optimiser!r}): give its name, such as 'adam'."
            )
        _set(self, "betas", _betas(self.betas))

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Sites whose data may be missing: -1 in whole numbers, or NaN."""
        return tuple(code.site for code in self.codes if code.real)

    @property
    def formula(self) -> str:
        """None in the `repr`, which is the call; `described` has those of all parts."""
        return ""

    def described(self) -> str:
        """The objective in words, a line for each part."""
        parts = [self.game, *self.penalties, *self.codes, self.schedule, *self.augment]
        return "\n".join(map(repr, parts))

    def beside(self, copies: dict[int, Any]) -> Adversarial:
        """The method for a copy of a model, whose parts in critic and guide become the copy's.

        `copies` are those that `copy.deepcopy` has made of the model's parts, by identity.
        """
        own = {name: getattr(self, name) for name in ("critic", "guide")}
        kinds = (nn.Module, MethodType)
        found: dict[str, Any] = {
            name: copy.deepcopy(value, copies)
            for name, value in own.items()
            if isinstance(value, kinds)
        }
        return dataclasses.replace(self, **found)

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> Learner:
        """The learner of a module; see `LearningMethod`.

        Raises `ModelError`, `DataError`, `OptionError` where program, critic, guide, data and
        settings do not go together.
        """
        from probgen.learn.adversarial.learner import AdversarialLearner

        return AdversarialLearner(self, model, info)


def _set(method: Adversarial, name: str, value: Any) -> None:
    object.__setattr__(method, name, value)


def _names(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names or not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        raise OptionError(f"Adversarial(sites={given!r}): give names of sites, each once.")
    return names


def _values(method: Adversarial, option: str, kind: type, example: str) -> tuple[Any, ...]:
    given = getattr(method, option)
    values = tuple(given) if isinstance(given, Iterable) else (given,)
    for value in values:
        if not isinstance(value, kind):
            raise OptionError(
                f"Adversarial({option}={given!r}): give values such as ({example},)."
            )
    return values


def _betas(given: Any) -> tuple[float, float]:
    try:
        first, second = map(float, given)
    except (TypeError, ValueError):
        first = second = -1.0
    if not (0 <= first < 1 and 0 <= second < 1):
        raise OptionError(f"Adversarial(betas={given!r}): give two numbers from 0 to below 1.")
    return first, second
