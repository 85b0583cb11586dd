"""Stochastic variational inference: a guide made as like the posterior as its family allows.

Hoffman, Blei, Wang & Paisley (2013); Kucukelbir, Tran, Ranganath, Gelman & Blei (2017) for guides
over the unconstrained space; Kingma & Welling (2014) for amortised ones. `SVI` is a value that is
used in two ways: `infer` finds the posterior of a program's latent sites with it, `fit` learns a
program's parameters together with the guide's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from probgen.errors import OptionError

if TYPE_CHECKING:
    from torch import nn

    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.options import TrainingOptions
    from probgen.learn.training.protocol import Learner

__all__ = ["DELEGATED", "GUIDES", "SVI", "name_of_guide"]

GUIDES = (
    "mean_field", "multivariate", "low_rank", "mixture",
    "iaf", "maf", "nsf", "coupling", "spline",
)  # fmt: skip
"""Names of guides over the flat unconstrained space."""
DELEGATED = ("laplace", "pathfinder", "structured")
"""Names that stand for another method: `Laplace()`, `Pathfinder()`, Pyro's `AutoStructured`."""
GRADIENTS = ("auto", "total", "path")


@dataclass(frozen=True)
class SVI:
    """Variational inference by stochastic gradients; approximate, with Pareto k to judge it.

    With a guide's name the guide is a density over the unconstrained space and the gradients come
    from the compiled density; `infer`, `compare` and `calibrate` take it as any sampler. All draws
    are independent: `chains` only lays them out.

    Args:
        guide: a name out of `GUIDES` or `DELEGATED`; a guide of your own, which is a program that
            samples every latent site; or None for the model's own `guide`, and without one
            "mean_field".
        objective: what is maximised; None for `ELBO()`.
        learning_rate: of the optimiser, a number or a schedule; None for what suits the guide.
            A number, and None, is divided by 4 whenever the ELBO has come to a standstill.
        optimiser: the name of a class of `torch.optim`, or a function from parameters to one.
        steps: most steps of `infer`; `fit` counts epochs. 0 draws from a guide of your own as it
            is; `infer` never trains a model's own guide (`guide=None`), which `fit` has trained.
        particles: draws of the guide per step; None for those of the objective, or 16 where the
            objective leaves it open and the density is compiled.
        gradient: "total" differentiates the density of the guide in full; "path" leaves out the
            part whose expectation is zero, so that noise vanishes as the guide becomes the
            posterior (Roeder, Wu & Duvenaud 2017); "auto" is "path" where it is cheap.
        tolerance: training ends when a smaller step changes the ELBO by less (nats), or by less
            than its error; None makes all `steps`.
        ranks: of the guide "low_rank"; None for the square root of the dimension.
        components: of the guide "mixture".
        transforms: of the flows.
        hidden: widths of the hidden layers of the flows' networks.
        resample: whether draws are resampled by Pareto-smoothed importance weights, which
            corrects what the guide misses as long as Pareto k is below 0.7.

    Raises `OptionError` for values out of range.

    Example:
        >>> SVI("multivariate", steps=5000).steps
        5000
    """

    guide: Any = None
    objective: Any = None
    learning_rate: Any = None
    optimiser: Any = "adam"
    steps: int = 20_000
    particles: int | None = None
    gradient: str = "auto"
    tolerance: float | None = 0.02
    ranks: int | None = None
    components: int = 4
    transforms: int = 3
    hidden: tuple[int, ...] = (32, 32)
    resample: bool = False
    name: ClassVar[str] = "SVI"
    serves: ClassVar[tuple[str, ...]] = ("density", "factors")
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {
        "chains": 4, "draws": 1000, "warmup": 0, "epochs": 100, "batch_size": 100,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Validate the settings."""
        object.__setattr__(self, "hidden", _widths(self.hidden))
        if isinstance(self.guide, str):
            own = ", or a program of your own (on the command line file.py:name)"
            _check_choice("guide", self.guide, (*GUIDES, *DELEGATED), own)
        elif self.guide is not None and not callable(self.guide):
            raise OptionError(
                f"SVI(guide={self.guide!r}): give a name ({', '.join(GUIDES)}), a guide (a "
                "program that samples the latent sites, or a module), or None."
            )
        if not (isinstance(self.optimiser, str) or callable(self.optimiser)):
            raise OptionError(f"SVI(optimiser={self.optimiser!r}): give its name, such as 'adam'.")
        _check_choice("gradient", self.gradient, GRADIENTS)
        for option in ("steps", "particles", "ranks", "components", "transforms"):
            value, least = getattr(self, option), int(option != "steps")
            if value is not None and (not _is_integer(value) or value < least):
                raise OptionError(f"SVI({option}={value!r}): it must be an integer >= {least}.")
        for option in ("learning_rate", "tolerance"):
            value = getattr(self, option)
            if value is not None and not hasattr(value, "at") and not _is_positive(value):
                raise OptionError(f"SVI({option}={value!r}): it must be a number above 0.")
        if not isinstance(self.resample, bool):
            raise OptionError(f"SVI(resample={self.resample!r}): it must be True or False.")

    def __repr__(self) -> str:
        """The settings; a guide of one's own by its name, the same in every process."""
        values = {entry.name: repr(getattr(self, entry.name)) for entry in fields(self)}
        if self.guide is not None and not isinstance(self.guide, str):
            values["guide"] = name_of_guide(self.guide)
        return f"SVI({', '.join(f'{name}={value}' for name, value in values.items())})"

    def run(self, density: Any, plan: Any) -> Any:
        """Fit the guide to a density, or to the factors of a network, and draw from it.

        `Draws` of a density, a `GraphResult` of a network; `warmup` and `thin` do not matter.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `InitialisationError` when no start has a finite density, `SamplingError` when the density
        is not finite at any draw of the guide, however small the steps.
        """
        from probgen.inference.variational.flat import run_flat
        from probgen.inference.variational.program.own import is_program_guide
        from probgen.inference.variational.program.run import run_program

        if hasattr(density, "scopes"):
            from probgen.inference.variational.program.network import run_network

            return run_network(self, density, plan)
        program = getattr(density, "program", None)
        if program is not None and is_program_guide(self.guide, program.model):
            return run_program(self, density, plan)
        return run_flat(self, density, plan)

    def prepared(
        self, model: Callable[..., Any], data: Mapping[str, Any] | None, backend: str
    ) -> tuple[Callable[..., Any], str]:
        """The program, and the backend, of the density that draws are held against.

        For a guide that is a program: all the data, what the guide draws as coordinates, and no
        native code, which a few thousand evaluations are not worth compiling for.
        """
        from probgen.inference.variational.program.own import is_program_guide

        if not is_program_guide(self.guide, model):
            return model, backend
        from probgen.inference.variational.program.run import judged_model

        return judged_model(self.guide, model, data), "torch" if backend == "auto" else backend

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> Learner:
        """The learner of a module with its guide, for `fit`; see `probgen.learn.variational`."""
        from probgen.learn.variational.learner import make_learner

        return make_learner(self, model, info, options)


def name_of_guide(guide: Any) -> str:
    """The name of a function or a class, and of a module its class."""
    return str(getattr(guide, "__name__", type(guide).__name__))


def _check_choice(option: str, value: Any, known: tuple[str, ...], else_: str = "") -> None:
    if value not in known:
        raise OptionError(f"SVI({option}={value!r}): it must be one of {', '.join(known)}{else_}.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def _widths(hidden: Any) -> tuple[int, ...]:
    widths = tuple(hidden) if isinstance(hidden, (tuple, list)) else (hidden,)
    if not all(_is_integer(width) and width >= 1 for width in widths):
        raise OptionError(f"SVI(hidden={hidden!r}): widths of layers, integers >= 1, as (64, 64).")
    return widths
