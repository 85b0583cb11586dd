"""A Pyro program as a density over flat unconstrained vectors: what HMC and its kin sample.

`compile_density` traces the program once, compiles its log density with the gradient to native
code, checks it against the program itself at several points, and falls back to evaluating the
program eagerly, behind the same interface, saying why. Draws are turned back into constrained
values, deterministic sites, pointwise log likelihoods and log priors by `outputs`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from probgen.compile.function import (
    CompiledDensity,
    CompiledOutputs,
    density_source,
    outputs_source,
)
from probgen.compile.lower import lower
from probgen.compile.trace import trace_with_gradient
from probgen.declare.program import Evaluation, Program, Site
from probgen.errors import BuildError, ModelError, UnsupportedOperation

__all__ = ["Density", "EagerDensityWarning", "compile_density"]

_CHECKED_POINTS = 3
_TOLERANCE = 1e-8


class EagerDensityWarning(UserWarning):
    """The density is evaluated by the Pyro program itself, which is slow; the text says why."""


@dataclass
class Density:
    """Log density (nats) of a conditioned program over its unconstrained latent values.

    `dim` is the length of the flat vector, `latents` the sites in its order, `backend`
    "native" or "eager" and `reason` why it is eager. `native` has the integers `.address` and
    `.context` that a native sampler calls; it is None when eager.
    """

    program: Program
    latents: list[Site]
    backend: str = "eager"
    reason: str = ""
    native: CompiledDensity | None = None
    precision: str = "float64"
    device: str = "cpu"
    seconds_trace: float = 0.0
    seconds_compile: float = 0.0
    _outputs: Future[CompiledOutputs] | None = field(default=None, repr=False)

    @property
    def dim(self) -> int:
        """Length of the unconstrained vector."""
        return sum(_size(site.unconstrained_shape) for site in self.latents)

    @property
    def coordinate_names(self) -> list[str]:
        """A name for every coordinate, like "theta[3]"."""
        return [
            site.name + (f"[{','.join(map(str, index))}]" if index else "")
            for site in self.latents
            for index in np.ndindex(*site.unconstrained_shape)
        ]

    def join(self, unconstrained: Mapping[str, torch.Tensor]) -> np.ndarray:
        """One unconstrained vector from the values of the latent sites by name."""
        pieces = [unconstrained[site.name].reshape(-1).numpy() for site in self.latents]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def split(self, q: np.ndarray) -> dict[str, np.ndarray]:
        """Unconstrained vectors (..., dim) as one array per latent site."""
        parts, start = {}, 0
        for site in self.latents:
            stop = start + _size(site.unconstrained_shape)
            parts[site.name] = q[..., start:stop].reshape(q.shape[:-1] + site.unconstrained_shape)
            start = stop
        return parts

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density at `q` (shape (dim,)) and its gradient."""
        return self.native.value_and_grad(q) if self.native else self.eager_value_and_grad(q)

    def eager_value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """The same from the program itself, by autograd; failed factorisations give NaN."""
        leaves = self._leaves(q)
        try:
            with torch.enable_grad():
                value = self.program.evaluate(self._named(leaves)).log_density
            if not value.requires_grad:
                return value.item(), np.zeros(self.dim)
            gradients = torch.autograd.grad(
                value, leaves, allow_unused=True, materialize_grads=True
            )
        except torch.linalg.LinAlgError:
            return float("nan"), np.full(self.dim, np.nan)
        return value.item(), np.concatenate([g.reshape(-1).numpy(force=True) for g in gradients])

    def evaluate(self, q: np.ndarray) -> Evaluation:
        """The program evaluated eagerly at one unconstrained vector, without gradient."""
        with torch.no_grad():
            return self.program.evaluate(self._named(self._leaves(q, False)))

    def outputs(self, q: np.ndarray) -> dict[str, np.ndarray]:
        """What the program computes at every row of `q` (n, dim).

        Keys are "latent:NAME", "deterministic:NAME", "log_likelihood:NAME" (one value per
        observation) and "log_prior:NAME"; arrays have shape (n, *shape of the site).
        """
        if self._outputs is not None:
            return self._outputs.result()(q)
        rows = [flatten(self.evaluate(row)) for row in np.atleast_2d(q)]
        if not rows:
            rows = [flatten(self.evaluate(np.zeros(self.dim)))]
            return {name: value.numpy()[None][:0] for name, value in rows[0].items()}
        return {name: np.stack([row[name].numpy() for row in rows]) for name in rows[0]}

    def _leaves(self, q: np.ndarray, gradient: bool = True) -> list[torch.Tensor]:
        flat = torch.from_numpy(np.array(q, dtype=np.float64))
        sizes = [_size(site.unconstrained_shape) for site in self.latents]
        pieces = torch.split(flat, sizes) if sizes else ()
        return [
            piece.reshape(site.unconstrained_shape).detach().requires_grad_(gradient)
            for piece, site in zip(pieces, self.latents, strict=True)
        ]

    def _named(self, leaves: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(zip((site.name for site in self.latents), leaves, strict=True))


def compile_density(
    program: Program, backend: str = "auto", precision: str = "float64", device: str = "cpu"
) -> Density:
    """The density of a program; `backend` "auto" (native if possible), "native" or "eager".

    `precision` "float32" computes value and gradient in single precision inside (native only);
    coordinates, draws and outputs stay double.

    Raises `ModelError` when a latent site is discrete, and, for backend="native", the reason
    why there is no native code.
    """
    density = Density(program, _continuous_latents(program), precision=precision, device=device)
    if backend == "eager":
        density.reason = "backend='eager' was asked for"
        return density
    try:
        _compile(density)
    except (UnsupportedOperation, BuildError) as error:
        if backend == "native":
            raise
        density.reason = str(error)
        density.native, density._outputs, density.backend = None, None, "eager"
        warnings.warn(
            f"The density of {program.name!r} is evaluated by the Pyro program itself, about a "
            f"hundred times slower than compiled code, because {_lower_first(str(error))}",
            EagerDensityWarning,
            stacklevel=3,
        )
    return density


def flatten(evaluation: Evaluation) -> dict[str, torch.Tensor]:
    """The parts of an evaluation under the names that `Density.outputs` gives them."""
    groups: dict[str, dict[str, torch.Tensor]] = {
        "latent": evaluation.latent,
        "deterministic": evaluation.deterministic,
        "log_likelihood": evaluation.log_likelihood,
        "log_prior": evaluation.log_prior,
    }
    return {
        f"{group}:{name}": value if value.dtype == torch.float64 else value.double()
        for group, sites in groups.items()
        for name, value in sites.items()
    }


def _continuous_latents(program: Program) -> list[Site]:
    latents = program.of_kind("latent")
    for site in latents:
        if site.discrete:
            raise ModelError(
                f"Latent site {site.name!r} is discrete ({site.distribution}); HMC and NUTS need "
                "continuous sites. Sum it out by hand (for a mixture: "
                "pyro.distributions.MixtureSameFamily) or observe it."
            )
    return latents


def _compile(density: Density) -> None:
    started = time.perf_counter()
    examples = _points(density.dim, 1)[0]

    def function(*leaves: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        evaluation = density.program.evaluate_inside(density._named(leaves))
        return evaluation.log_density, flatten(evaluation)

    with density.program.environment():
        traced = trace_with_gradient(function, density._leaves(examples, False))
    views = lower(traced)
    others = {name: view for name, view in views.items() if ":" in name and name[:5] != "grad:"}
    density.seconds_trace = time.perf_counter() - started
    source = density_source(views, len(density.latents), density.precision)
    density.native = CompiledDensity(source, density.dim, "bold")
    density.backend = "native"
    shapes = {name: view.shape for name, view in others.items()}
    density._outputs = _in_background(
        lambda: CompiledOutputs(outputs_source(others, density.dim), shapes, density.dim)
    )
    difference = _difference(density)
    if difference:
        density.native = CompiledDensity(source, density.dim, "cautious")
        difference = _difference(density)
    if difference:
        raise UnsupportedOperation(
            f"the compiled density disagrees with the program ({difference}): it probably "
            "branches in Python on random values; use torch.where"
        )
    density.seconds_compile = time.perf_counter() - started - density.seconds_trace


def _in_background(task: Callable[[], Any]) -> Future[Any]:
    """Start `task` in a thread: the sampler needs its result only when it is done."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="probgen-build")
    future = pool.submit(task)
    pool.shutdown(wait=False)
    return future


def _points(dim: int, count: int) -> np.ndarray:
    return np.random.default_rng(20).uniform(-1.5, 1.5, (count, dim))


def _difference(density: Density) -> str:
    """How compiled code differs from the program at points where it was not traced."""
    points = _points(density.dim, _CHECKED_POINTS + 1)[1:]
    return next(filter(None, (disagreement(density, q) for q in points)), "")


def disagreement(density: Density, q: np.ndarray) -> str:
    """What differs between compiled code and the program at `q`; empty when nothing does."""
    if density.native is None:
        return ""
    value, gradient = density.native.value_and_grad(q)
    expected, expected_gradient = density.eager_value_and_grad(q)
    if not np.isfinite(expected):
        return "" if not np.isfinite(value) else f"log density {value} instead of {expected}"
    if not abs(value - expected) <= _TOLERANCE * (1 + abs(expected)):
        return f"log density {value!r} instead of {expected!r}"
    same = (gradient == expected_gradient) | (np.isnan(gradient) & np.isnan(expected_gradient))
    finite = expected_gradient[np.isfinite(expected_gradient)]
    scale = 1 + np.abs(finite).max(initial=0.0)
    error = np.where(same, 0.0, np.abs(gradient - expected_gradient))
    if not error.max(initial=0.0) <= _TOLERANCE * scale:
        worst = density.coordinate_names[int(np.nanargmax(np.nan_to_num(error, nan=np.inf)))]
        return f"the gradient with respect to {worst}"
    return ""


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
