"""Ways to learn a Boltzmann machine, as values: `CD`, `PCD` and `ExactGradient`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from probgen.errors import ModelError, OptionError
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.boltzmann.negative import (
    ChainsFromData,
    EveryState,
    Negative,
    PersistentChains,
)
from probgen.learn.boltzmann.start import moments, start_from
from probgen.learn.boltzmann.tempered import TemperedChains
from probgen.nets.boltzmann.machine import BoltzmannMachine

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.options import TrainingOptions

__all__ = ["CD", "PCD", "ExactGradient", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all ways to learn a Boltzmann machine have in common.

    Args:
        learning_rate: a number, or a schedule.
        momentum: of the gradient (Hinton 2010, section 9).
        weight_decay: L2 penalty on the weights, per unit of learning rate; biases have none.
        sparsity: wanted mean activity of hidden units (Lee, Ekanadham & Ng 2008), or None.
        sparsity_weight: of the pull of hidden biases towards `sparsity`.
        centring: use the centred gradient (Melchior, Fischer & Wiskott 2016).
        optimiser: "sgd", "adam", or any other of `torch.optim` by its class name; or a function
            from parameter groups to an optimiser.
        start: "data" sets the visible biases to what the data say of each unit alone, and the
            variances likewise; "as is" leaves the machine as it came.
        target: a categorical site of the visible layer to tell from the others; log p(target |
            others) is added to the objective (Larochelle & Bengio 2008).
        generative: weight of log p of all visible sites when there is a `target`; 0 is purely
            discriminative learning.
        matmul: "float32", "bfloat16" (weights stay float32), or "auto": whichever is clearly
            faster here. Only binary machines know bfloat16.

    """

    learning_rate: Any = 0.05
    momentum: float = 0.5
    weight_decay: float = 0.0
    sparsity: float | None = None
    sparsity_weight: float = 0.1
    centring: bool = True
    optimiser: Any = "sgd"
    start: str = "data"
    target: str | None = None
    generative: float = 1.0
    matmul: str = "auto"

    name: ClassVar[str]
    learns: ClassVar[str] = "program"
    learns_deep: ClassVar[bool] = False
    """Whether it learns machines of more than two layers."""
    takes_missing: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 30, "batch_size": 100}

    def __post_init__(self) -> None:
        """Validate."""
        for name, low, high in (
            ("momentum", 0.0, 1.0), ("weight_decay", 0.0, float("inf")),
            ("generative", 0.0, float("inf")), ("sparsity_weight", 0.0, float("inf")),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value < high:
                raise OptionError(f"{name}={value!r} must be at least {low:g} and below {high:g}.")
        if self.sparsity is not None and not 0 < self.sparsity < 1:
            raise OptionError(f"sparsity={self.sparsity!r} must be between 0 and 1, or None.")
        for name, known in (
            ("start", ("data", "as is")),
            ("matmul", ("auto", "float32", "bfloat16")),
        ):
            if getattr(self, name) not in known:
                raise OptionError(f"{name}={getattr(self, name)!r} must be one of {known}.")

    def learner(
        self, model: nn.Module, info: DataInfo, options: TrainingOptions
    ) -> BoltzmannLearner:
        """The learner of a Boltzmann machine, whose visible biases start from the data.

        Raises `ModelError` for any other model.
        """
        if not isinstance(model, BoltzmannMachine):
            raise ModelError(
                f"{type(self).__name__} learns Boltzmann machines, and {type(model).__name__} is "
                "none: make it a subclass of BoltzmannMachine, or choose another method."
            )
        learner = BoltzmannLearner(model, self, info.batch_size)
        found = moments(model, info.batches())
        if self.start == "data":
            start_from(model, *found)
        return learner

    def negative(self, batch_size: int) -> Negative:
        """The negative phase."""
        raise NotImplementedError


@dataclass(frozen=True)
class CD(Settings):
    """Contrastive divergence (Hinton 2002): chains of `k` sweeps that start at the data.

    Its mean is not the gradient of the likelihood: the bias falls with `k`.
    """

    k: int = 1

    name: ClassVar[str] = "cd"

    def __post_init__(self) -> None:
        """Validate."""
        super().__post_init__()
        _at_least_one("k", self.k)

    def negative(self, batch_size: int) -> Negative:
        """The negative phase."""
        return ChainsFromData(self.k)


@dataclass(frozen=True)
class PCD(Settings):
    """Persistent contrastive divergence (Younes 1989; Tieleman 2008): chains that go on.

    The hidden layers of a deep machine are averaged in mean field given the data, which climbs a
    lower bound on the likelihood (Salakhutdinov & Hinton 2009).

    Args:
        k: sweeps per step.
        chains: in parallel; as many as cases in a batch by default.
        temperatures: rungs of a ladder of inverse temperatures from 1 to `coldest` on which each
            chain is tempered (Desjardins et al. 2010), or the inverse temperatures themselves,
            from 1 downwards; 1 is no tempering.

    """

    k: int = 1
    chains: int | None = None
    temperatures: int | tuple[float, ...] = 1

    name: ClassVar[str] = "pcd"
    learns_deep: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Validate."""
        super().__post_init__()
        _at_least_one("k", self.k)
        _at_least_one("chains", 1 if self.chains is None else self.chains)
        betas = self.betas
        if not betas or betas[0] != 1.0 or any(b < 0 or b >= a for a, b in pairwise(betas)):
            raise OptionError(
                f"temperatures={self.temperatures!r} must be a number of rungs, or inverse "
                "temperatures that fall from 1."
            )

    @property
    def betas(self) -> tuple[float, ...]:
        """Inverse temperatures, from 1 downwards."""
        if not isinstance(self.temperatures, int):
            return tuple(self.temperatures)
        rungs = self.temperatures
        return tuple(1 - i / rungs for i in range(rungs))

    def negative(self, batch_size: int) -> Negative:
        """The negative phase."""
        chains = self.chains or batch_size
        if len(self.betas) > 1:
            return TemperedChains(self.k, chains, self.betas)
        return PersistentChains(self.k, chains)


@dataclass(frozen=True)
class ExactGradient(Settings):
    """The gradient of the likelihood itself, of machines with at most 20 bits on one side."""

    name: ClassVar[str] = "exact_gradient"

    def negative(self, batch_size: int) -> Negative:
        """The negative phase."""
        return EveryState()


def _at_least_one(name: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise OptionError(f"{name}={value!r} must be an integer of at least 1.")
