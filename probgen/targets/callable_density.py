"""The density of a callable that is not written in torch: numpy, numba, or any other Python.

The transforms of bounded sites and their Jacobians come from the compiled density of the sites
alone; the callable sees constrained numpy arrays. A function compiled by numba over real sites
is handed to the samplers as a C function, so that no Python runs while they draw.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from probgen.declare.bijections import bijection
from probgen.declare.logdensity import LogDensity
from probgen.declare.program import Program
from probgen.errors import ModelError
from probgen.targets.density import Density, compile_density
from probgen.targets.numba_function import is_numba, native_function

__all__ = ["CallableDensity", "callable_density"]

_STEP = np.finfo(float).eps ** (1 / 3)


@dataclass
class CallableDensity(Density):
    """Log density (nats) over unconstrained values of a callable that takes numpy arrays."""

    sites: Density | None = field(default=None, repr=False)
    """The improper sites alone: their transforms, Jacobians and outputs."""

    @property
    def declared(self) -> LogDensity:
        """The declaration."""
        return self.program.model  # type: ignore[return-value]

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density at `q` (shape (dim,)), Jacobians included, and its gradient."""
        assert self.sites is not None
        jacobian, gradient = self.sites.value_and_grad(q)
        values, pull_back = self._constrained(q)
        with np.errstate(all="ignore"):
            value, parts = self._call(values)
        return jacobian + value, gradient + pull_back(parts)

    def outputs(self, q: np.ndarray, without: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Constrained values at every row of `q` (n, dim), under "latent:NAME" ..."""
        assert self.sites is not None
        return self.sites.outputs(q, without)

    def _constrained(
        self, q: np.ndarray
    ) -> tuple[list[np.ndarray], Callable[[list[np.ndarray]], np.ndarray]]:
        """Constrained values by site, and what turns gradients there into gradients at `q`."""
        spaces = list(self.declared.sites.values())
        parts = list(self.split(np.array(q, dtype=np.float64)).values())
        if all(space.is_real for space in spaces):
            return parts, lambda grads: np.concatenate([np.ravel(g) for g in grads])
        leaves = [torch.from_numpy(part).requires_grad_() for part in parts]
        with torch.enable_grad():
            images = [
                leaf if space.is_real else bijection(space.support)(leaf)
                for leaf, space in zip(leaves, spaces, strict=True)
            ]

        def pull_back(grads: list[np.ndarray]) -> np.ndarray:
            seeds = [
                torch.from_numpy(np.asarray(g, dtype=np.float64)).reshape(image.shape)
                for g, image in zip(grads, images, strict=True)
            ]
            back = torch.autograd.grad(images, leaves, seeds)
            return np.concatenate([g.reshape(-1).numpy() for g in back])

        return [image.detach().numpy() for image in images], pull_back

    def _call(self, values: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        function = _by_name(self.declared, self.program.data)
        if self.declared.gradient == "numeric":
            return _numeric(function, values)
        answer = function(*values)
        return _read_answer(self.declared, answer, values)


def callable_density(program: Program) -> CallableDensity:
    """The density of a program made by `declare.logdensity` with a gradient of its own.

    Raises `ModelError` when the callable does not return what its declaration says.
    """
    inner = compile_density(program)
    density = CallableDensity(
        program, inner.latents, backend="callable", reason="the density is a callable of its own"
    )
    density.sites = inner
    declared = density.declared
    density.value_and_grad(np.zeros(density.dim))  # says at once what is wrong with the callable
    if is_numba(declared.function) and all(s.is_real for s in declared.sites.values()):
        density.native = native_function(declared, program.data, density.dim)  # type: ignore
        density.backend = "native"
        density.reason = ""
    return density


def _by_name(declared: LogDensity, data: dict[str, Any]) -> Callable[..., Any]:
    """The callable of the sites' values alone, by position."""
    given = {n: v.numpy() if isinstance(v, torch.Tensor) else v for n, v in data.items()}
    names = list(declared.sites)
    if is_numba(declared.function):
        order = [n for n in declared.__signature__.parameters if n in given]
        return lambda *values: declared.function(*values, *(given[n] for n in order))
    return lambda *values: declared.function(**dict(zip(names, values, strict=True)), **given)


def _read_answer(
    declared: LogDensity, answer: Any, values: list[np.ndarray]
) -> tuple[float, list[np.ndarray]]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ModelError(
            f"The log density {declared.__name__!r} was declared with gradient='returned': it "
            f"must return (value, gradient), not {type(answer).__name__}. Use "
            "gradient='numeric' for a function that returns the value alone."
        )
    value, gradient = answer
    parts = list(gradient) if isinstance(gradient, (tuple, list)) else [gradient]
    arrays = [np.asarray(part, dtype=np.float64) for part in parts]
    if [a.size for a in arrays] != [v.size for v in values]:
        flat = np.concatenate([a.ravel() for a in arrays])
        if flat.size != sum(v.size for v in values):
            raise ModelError(
                f"The gradient that {declared.__name__!r} returns has {flat.size} elements; its "
                f"sites {', '.join(declared.sites)} have {sum(v.size for v in values)}."
            )
        ends = np.cumsum([v.size for v in values])[:-1]
        arrays = np.split(flat, ends)
    return float(value), [a.reshape(v.shape) for a, v in zip(arrays, values, strict=True)]


def _numeric(
    function: Callable[..., Any], values: list[np.ndarray]
) -> tuple[float, list[np.ndarray]]:
    """Value and central differences, with steps of eps**(1/3) of each coordinate's size."""
    values = [np.array(v, dtype=np.float64) for v in values]
    gradients = []
    for value in values:
        gradient = np.empty(value.shape)
        for index in np.ndindex(value.shape):
            here = float(value[index])
            step = float(_STEP) * max(1.0, abs(here))
            ends = []
            for shifted in (here + step, here - step):
                value[index] = shifted
                ends.append(float(function(*values)))
            value[index] = here
            gradient[index] = (ends[0] - ends[1]) / (2 * step)
        gradients.append(gradient)
    return float(function(*values)), gradients
