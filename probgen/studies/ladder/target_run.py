"""Running a method on an exact target: from anywhere, or from exact draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from probgen.declare.bijections import bijection
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.placing import PlacePrior
from probgen.declare.supports import support_of
from probgen.errors import ProbgenError
from probgen.inference.method import Draws, Plan
from probgen.studies.ladder.targets import ExactTarget
from probgen.targets.density import Density
from probgen.targets.reuse import density_of

__all__ = [
    "chains_of",
    "density_for",
    "exact_starts",
    "nature_of",
    "run_from",
    "run_on",
    "uniforms_of",
]


def density_for(target: ExactTarget) -> Density:
    """The compiled density of a target; kept between calls."""
    return density_of(target.program, {})[0]


def chains_of(method: Any) -> int:
    """How many chains a method wants."""
    return int(getattr(method, "defaults", {}).get("chains", 4))


def nature_of(method: Any, target: ExactTarget, seed: int) -> str:
    """What a method says of itself in its summary: "unadjusted", "approximation", or nothing.

    A method that cannot run says nothing; the rungs will tell why.
    """
    try:
        summary = run_on(method, density_for(target), draws=10, warmup=100, seed=seed).summary
    except (ProbgenError, ArithmeticError, ValueError, TypeError, AttributeError):
        return ""
    return next((name for name in ("unadjusted", "approximation") if summary.get(name)), "")


def run_on(method: Any, density: Any, *, draws: int, warmup: int, seed: int, threads: int = 2,
           chains: int | None = None) -> Draws:  # fmt: skip
    """Draw as `infer` does, from uniform starts between -2 and 2."""
    chains = chains or chains_of(method)
    initial = np.random.default_rng([seed, chains]).uniform(-2, 2, (chains, density.dim))
    return method.run(density, Plan(chains, draws, warmup, seed, initial, threads))


def run_from(
    method: Any, density: Any, starts: np.ndarray, *, draws: int, seed: int,
    learnt: Mapping[str, np.ndarray], threads: int = 2,
) -> Draws:  # fmt: skip
    """Draw without warm-up from `starts` (chain, dim), with what an earlier run had learnt."""
    chains = len(starts)
    adaptation = None
    if learnt:
        adaptation = {n: np.array(v)[np.arange(chains) % len(v)] for n, v in learnt.items()}
        adaptation["position"] = starts.copy()
    plan = Plan(chains, draws, 0, seed, starts.copy(), threads, adaptation=adaptation)
    return method.run(density, plan)


def exact_starts(target: ExactTarget, density: Density, count: int, seed: int) -> np.ndarray:
    """`count` independent exact draws of the target, unconstrained, (count, dim)."""
    uniform = np.random.default_rng([seed, count]).random((count, target.dim))
    values = target.from_uniforms(uniform)
    with tracing(), double_precision(), isolated(0), torch.no_grad():
        trace = density.program.trace_with(PlacePrior())
        parts = []
        for site in density.latents:
            transform = bijection(support_of(trace.nodes[site.name]["fn"]))
            free = transform.inv(torch.from_numpy(np.ascontiguousarray(values[site.name])))
            parts.append(free.reshape(count, -1).numpy())
    return np.concatenate(parts, axis=1)


def uniforms_of(target: ExactTarget, density: Density, unconstrained: np.ndarray) -> np.ndarray:
    """Draws (..., dim) as numbers (..., k) that are independent and uniform if they are right."""
    flat = unconstrained.reshape(-1, unconstrained.shape[-1])
    outputs = density.outputs(flat)
    values = {k.removeprefix("latent:"): v for k, v in outputs.items() if k.startswith("latent:")}
    found = target.uniforms(values)
    return found.reshape(*unconstrained.shape[:-1], -1)
