"""A log density that is no program: a callable and the sites it takes, declared as a program.

`density(function, sites)` makes a Pyro program of a torch function, so that it is traced,
compiled and sampled like any other. A function of numpy arrays, or one compiled by numba, is
kept as it is; `targets.callable_density` evaluates it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch.distributions import constraints

from probgen.errors import ModelError, OptionError

__all__ = ["LogDensity", "SiteSpace", "density"]

GRADIENTS = ("torch", "returned", "numeric")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_SUPPORTS = {
    "real": constraints.real,
    "positive": constraints.positive,
    "unit_interval": constraints.unit_interval,
    "simplex": constraints.simplex,
    "ordered": dist.constraints.ordered_vector,
    "positive_ordered": dist.constraints.positive_ordered_vector,
    "correlation_cholesky": constraints.corr_cholesky,
    "positive_definite": constraints.positive_definite,
}


@dataclass(frozen=True)
class SiteSpace:
    """Where the values of a site live: their whole shape, and their support."""

    shape: tuple[int, ...]
    support: Any = constraints.real

    @property
    def is_real(self) -> bool:
        """Whether every element may be any real number."""
        return self.support is constraints.real

    def improper(self) -> Any:
        """The improper uniform distribution on the space, as one event."""
        missing = len(self.shape) - self.support.event_dim
        whole = constraints.independent(self.support, missing) if missing else self.support
        return dist.ImproperUniform(whole, (), self.shape)


@dataclass(eq=False)
class LogDensity:
    """A log density over named sites; made by `density`, taken by `infer` as a program is.

    Called with data by name it acts as a Pyro program: one improper site per entry of `sites`
    and, where `gradient` is "torch", a factor with the value of `function`.
    """

    function: Callable[..., Any]
    sites: dict[str, SiteSpace]
    gradient: str = "torch"
    __name__: str = "density"
    __signature__: inspect.Signature = field(init=False)

    def __post_init__(self) -> None:
        """Note which arguments of the function are data."""
        self.__signature__ = _data_signature(self.function, self.sites)

    def __call__(self, **data: Any) -> None:
        """The density as a Pyro program."""
        values = {n: pyro.sample(n, space.improper()) for n, space in self.sites.items()}
        if self.gradient == "torch":
            answer = self.function(**values, **data)
            if not isinstance(answer, (torch.Tensor, int, float)):
                raise ModelError(
                    f"The log density {self.__name__!r} must return one number, a torch tensor; "
                    f"it returned {type(answer).__name__}."
                )
            value = torch.as_tensor(answer)
            if value.numel() != 1:
                raise ModelError(
                    f"The log density {self.__name__!r} must return one number; it returned a "
                    f"tensor of shape {tuple(value.shape)}: sum its terms."
                )
            pyro.factor(self.__name__, value.reshape(()))


def density(
    function: Callable[..., Any],
    sites: Mapping[str, Any],
    *,
    gradient: str = "torch",
    name: str | None = None,
) -> LogDensity:
    """Declare the log density of a posterior by a callable, for `infer`, `check` and `describe`.

    Parameters
    ----------
    function
        Takes the constrained value of every site, and of the data if there are any, by name;
        returns the log density in nats up to a constant, with respect to the constrained
        values: Jacobians of the transforms are added here.
    sites
        What each site is: a shape (`()`, `3`, `(2, 5)`: any real numbers), a support (for
        scalars), or a pair (support, shape). A support is a constraint of torch or Pyro, or
        one of "real", "positive", "unit_interval", "simplex", "ordered", "positive_ordered",
        "correlation_cholesky", "positive_definite".
    gradient
        "torch": the function uses torch operations; it is traced and compiled as a Pyro
        program is. "returned": it takes numpy arrays and returns (value, gradient), where the
        gradient is an array, or one per site in the order of `sites`; a function compiled by
        `numba.njit` takes them by position, and is sampled without Python in between if all
        sites are real. "numeric": it takes numpy arrays and returns the value; gradients are
        central differences, at two evaluations per coordinate.
    name
        What messages and results call it; the function's name when left out.

    Raises `ModelError` for sites that cannot be read, `OptionError` for another `gradient`.

    Example:
        >>> def banana(x, y):
        ...     return -0.5 * (x**2 / 4 + (y - x**2) ** 2)
        >>> density(banana, {"x": (), "y": ()}).sites["x"]
        SiteSpace(shape=(), support=Real())
    """
    if gradient not in GRADIENTS:
        known = ", ".join(map(repr, GRADIENTS))
        raise OptionError(f"density(gradient={gradient!r}): must be one of {known}.")
    if not callable(function):
        raise ModelError(f"density needs a callable, not {type(function).__name__}.")
    if not isinstance(sites, Mapping) or not sites:
        raise ModelError(
            "density needs the sites as a mapping of names to shapes or supports, "
            "such as {'mu': (), 'tau': 'positive', 'theta': 8}."
        )
    called = name or str(getattr(function, "__name__", type(function).__name__))
    return LogDensity(
        function, {str(n): _space(str(n), s) for n, s in sites.items()}, gradient, called
    )


def _space(name: str, given: Any) -> SiteSpace:
    pair = isinstance(given, (tuple, list)) and len(given) == 2 and not _is_size(given[0])
    if pair:
        return SiteSpace(_shape(name, given[1]), _support(name, given[0]))
    if _is_size(given) or isinstance(given, (tuple, list, torch.Size)):
        return SiteSpace(_shape(name, given))
    support = _support(name, given)
    if support.event_dim:
        raise ModelError(
            f"Site {name!r}: a value of support {given!r} has {support.event_dim} dimension(s); "
            f"give its shape beside it, as in ({given!r}, 3)."
        )
    return SiteSpace((), support)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shape(name: str, given: Any) -> tuple[int, ...]:
    shape = (given,) if _is_size(given) else tuple(given)
    if not all(_is_size(size) and size >= 0 for size in shape):
        raise ModelError(f"Site {name!r}: {given!r} is no shape; use 3 or (2, 5), say.")
    return shape


def _support(name: str, given: Any) -> Any:
    support = _SUPPORTS.get(given) if isinstance(given, str) else given
    if isinstance(support, constraints.Constraint) and not support.is_discrete:
        return support
    known = ", ".join(map(repr, _SUPPORTS))
    raise ModelError(
        f"Site {name!r}: {given!r} is no continuous support. Use a constraint of "
        f"torch.distributions or one of {known}."
    )


def _data_signature(function: Callable[..., Any], sites: Mapping[str, Any]) -> inspect.Signature:
    """The arguments of `function` that are no sites; raises `ModelError` for a site left out."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return inspect.Signature([])
    takes = {p.name for p in parameters if p.kind in _BY_NAME}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in sites:
        if name not in takes and not takes_any:
            raise ModelError(
                f"The log density {getattr(function, '__name__', '?')!r} has no argument named "
                f"{name!r}, which `sites` declares; its arguments are {', '.join(sorted(takes))}."
            )
    data = [p.replace(kind=p.KEYWORD_ONLY) for p in parameters
            if p.name not in sites and p.kind in _BY_NAME]  # fmt: skip
    return inspect.Signature(data)
