"""A Pyro program as a density over flat unconstrained vectors: what HMC and its kin sample.

`compile_density` traces the program once and hands it to the first backend that can serve:
native code, torch over the traced graph, or the program itself. Compiled backends are checked
against the program at several points. Draws are turned back into constrained values,
deterministic sites, pointwise log likelihoods and log priors by `outputs`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from probgen.compile.function import CompiledDensity, CompiledOutputs
from probgen.compile.trace import TracedGraph, trace_with_gradient
from probgen.declare.program import Evaluation, Program, Site
from probgen.errors import BuildError, OptionError, UnsupportedOperation
from probgen.targets import checked, eager
from probgen.targets.checked import disagreement
from probgen.targets.eager import flatten
from probgen.targets.native import build_native
from probgen.targets.traced import TracedDensity

__all__ = ["Density", "EagerDensityWarning", "compile_density", "disagreement", "flatten"]

_BACKENDS = ("auto", "native", "torch", "eager")
_PRECISIONS = ("float64", "float32")


class EagerDensityWarning(UserWarning):
    """The density is evaluated by the Pyro program itself, which is slow; the text says why."""


@dataclass
class Density:
    """Log density (nats) of a conditioned program over its unconstrained latent values.

    `dim` is the length of the flat vector, `latents` the sites in its order, `backend` "native",
    "torch" or "eager" and `reason` why it is not native. `native` has the integers `.address`
    and `.context` that a native sampler calls, `traced` is the graph that torch evaluates; each
    is None unless it serves. `operations` counts the operations of the traced graph.
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
    traced: TracedDensity | None = None
    operations: int = 0
    _outputs: Future[CompiledOutputs] | None = field(default=None, repr=False)

    @property
    def dim(self) -> int:
        """Length of the unconstrained vector."""
        return sum(eager.size(site.unconstrained_shape) for site in self.latents)

    @property
    def source(self) -> str:
        """What is evaluated, as text: C++, the Python of the traced graph, or nothing."""
        compiled = self.native or self.traced
        return compiled.source if compiled else ""

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
            stop = start + eager.size(site.unconstrained_shape)
            parts[site.name] = q[..., start:stop].reshape(q.shape[:-1] + site.unconstrained_shape)
            start = stop
        return parts

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density at `q` (shape (dim,)) and its gradient."""
        compiled = self.native or self.traced
        return compiled.value_and_grad(q) if compiled else self.eager_value_and_grad(q)

    def eager_value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """The same from the program itself, by autograd; failed factorisations give NaN."""
        return eager.value_and_grad(self.program, self.latents, q)

    def evaluate(self, q: np.ndarray) -> Evaluation:
        """The program evaluated eagerly at one unconstrained vector, without gradient."""
        with torch.no_grad():
            leaves = eager.leaves_of(self.latents, q, gradient=False)
            return self.program.evaluate(self._named(leaves))

    def outputs(self, q: np.ndarray, without: Collection[str] = ()) -> dict[str, np.ndarray]:
        """What the program computes at every row of `q` (n, dim).

        Keys are "latent:NAME", "deterministic:NAME", "log_likelihood:NAME" (one value per
        observation) and "log_prior:NAME"; arrays have shape (n, *shape of the site). Keys that
        begin with one of `without` are left out.
        """
        if self._outputs is not None:
            return self._outputs.result()(q, without)
        if self.traced is not None:
            return self.traced.outputs(q, without)
        points = np.atleast_2d(q)
        rows = [flatten(self.evaluate(row)) for row in points]
        rows = rows or [flatten(self.evaluate(np.zeros(self.dim)))]
        return {
            name: np.stack([row[name].numpy() for row in rows])[: len(points)]
            for name in rows[0]
            if not name.startswith(tuple(without))
        }

    def trace(self) -> TracedGraph:
        """The graph of log density, gradient and outputs; `UnsupportedOperation` without one."""

        def function(*leaves: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            evaluation = self.program.evaluate_inside(self._named(leaves))
            return evaluation.log_density, flatten(evaluation)

        example = checked.points(self.dim, 1)[0]
        with self.program.environment():
            leaves = eager.leaves_of(self.latents, example, gradient=False)
            return trace_with_gradient(function, leaves)

    def _named(self, leaves: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(zip((site.name for site in self.latents), leaves, strict=True))


def compile_density(
    program: Program, backend: str = "auto", precision: str = "float64", device: str = "cpu"
) -> Density:
    """The density of a program.

    `backend` "auto" takes native code where there is a compiler and a rule for every operation,
    else torch over the traced graph, else, with an `EagerDensityWarning`, the program itself;
    "native", "torch" and "eager" insist. On a `device` other than "cpu" torch serves.
    `precision` "float32" computes value and gradient in single precision inside; coordinates,
    draws and outputs stay double. Where that is too coarse, double is used, and `reason` says so.

    Raises `ModelError` when a discrete site cannot be summed out, `OptionError` for unknown
    options, and, for a backend that was insisted on, the reason why it cannot serve.
    """
    _check_options(backend, precision, device)
    density = _compiled(program, backend, precision, device)
    if density.backend == "eager" and precision == "float32" and backend != "eager":
        note = f"Double precision is used, since in single precision {density.reason}"
        density = _compiled(program, backend, "float64", device)
        density.reason = " ".join(filter(None, (density.reason, note)))
    if density.backend == "eager" and backend != "eager":
        warnings.warn(
            f"The density of {program.name!r} is evaluated by the Pyro program itself, about a "
            f"hundred times slower than compiled code, because {_lower_first(density.reason)}",
            EagerDensityWarning,
            stacklevel=5,  # the call of `infer`
        )
    return density


def _compiled(program: Program, backend: str, precision: str, device: str) -> Density:
    density = Density(program, _continuous_latents(program), precision=precision, device=device)
    if backend == "eager":
        return _eager(density, "backend='eager' was asked for")
    started = time.perf_counter()
    try:
        traced = density.trace()
        density.seconds_trace = time.perf_counter() - started
        density.operations = sum(node.op == "call_function" for node in traced.graph.nodes)
        _build(density, traced, backend)
    except UnsupportedOperation as error:
        if backend != "auto":
            raise
        return _eager(density, str(error))
    density.seconds_compile = time.perf_counter() - started - density.seconds_trace
    return density


def _build(density: Density, traced: TracedGraph, backend: str) -> None:
    """Native code or, unless that is insisted on, torch; raises `UnsupportedOperation`."""
    if density.device != "cpu":
        density.reason = f"native code does not run on {density.device!r}"
    if backend == "torch":
        density.reason = "backend='torch' was asked for"
    if not density.reason:
        try:
            build_native(density, traced)
            return
        except (UnsupportedOperation, BuildError) as error:
            if backend == "native":
                raise
            density.reason = str(error)
            density.native, density._outputs = None, None
    density.traced = TracedDensity(traced, density.precision, density.device)
    density.backend = "torch"
    if difference := checked.difference(density):
        raise UnsupportedOperation(checked.disagrees(difference))


def _eager(density: Density, reason: str) -> Density:
    density.backend, density.reason = "eager", reason
    density.precision, density.device = "float64", "cpu"
    density.native = density.traced = density._outputs = None
    return density


def _check_options(backend: Any, precision: Any, device: Any) -> None:
    for name, value, known in (
        ("backend", backend, _BACKENDS),
        ("precision", precision, _PRECISIONS),
    ):
        if value not in known:
            raise OptionError(f"{name}={value!r}: use {', '.join(map(repr, known))}.")
    if device != "cpu":
        check_device(device)
    if device != "cpu" and backend in ("native", "eager"):
        raise OptionError(f"backend={backend!r} runs on the CPU; {device!r} needs 'torch'.")


def check_device(device: Any) -> None:
    """Raise `OptionError` unless torch can compute on `device`."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise OptionError(f"device={device!r} cannot be used: {error}") from error


def _continuous_latents(program: Program) -> list[Site]:
    """The coordinates of the density; raises `ModelError` if the rest cannot be summed out."""
    if program.enumerated:
        program.enumeration  # noqa: B018 - read now, so that its errors come first
    return program.latents


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
