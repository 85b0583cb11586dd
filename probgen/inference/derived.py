"""What a program says of draws that were made elsewhere: densities, deterministic sites.

The draws are constrained values, as any tool hands them out. They are mapped to unconstrained
coordinates, at which everything is computed as for draws of `infer`, but without a C++ compiler:
one pass over some thousand draws is not worth compiling for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from probgen.declare.batched_draws import rows_apart, rows_at_once
from probgen.declare.bijections import bijection
from probgen.declare.discrete.scalars import index_by_scalars
from probgen.declare.placing import PlacePrior
from probgen.declare.program import Program
from probgen.declare.sites import is_latent
from probgen.declare.supports import is_discrete, support_of
from probgen.errors import OptionError, UnsupportedOperation
from probgen.inference.groups import sampled_groups
from probgen.results.tree import Variable
from probgen.targets.batch import batch_of
from probgen.targets.density import Density, compile_density

__all__ = ["Derived", "derive", "log_densities", "missing_latents", "unconstrained_rows"]


@dataclass(frozen=True)
class Derived:
    """What follows from draws of the latent sites of a program.

    `groups` are those of `sampled_groups`. `log_density` (nats, of the unconstrained
    coordinates) and `log_jacobian` (of the map from these to the constrained values) have shape
    (chain, draw).
    """

    groups: dict[str, dict[str, Variable]]
    log_density: np.ndarray
    log_jacobian: np.ndarray


def missing_latents(program: Program, draws: Mapping[str, np.ndarray]) -> list[str]:
    """Continuous latent sites of a program that `draws` lack, or hold in another shape."""
    return [
        site.name
        for site in program.latents
        if site.name not in draws or draws[site.name].shape[2:] != site.shape
    ]


def derive(
    program: Program, draws: Mapping[str, np.ndarray], log_likelihood: bool = True, seed: int = 0
) -> Derived:
    """Densities and deterministic sites at draws (chain, draw, *shape) of the latent sites.

    Discrete latent sites are summed out of the densities; those that `draws` lack are drawn
    given the others, with `seed`. Raises `OptionError` naming a continuous site that `draws`
    lack, or when there are none, and `ModelError` for a program that cannot be a density.
    """
    lacking = missing_latents(program, draws)
    if lacking:
        raise OptionError(
            f"The draws lack the site {lacking[0]!r} of {program.name!r}, or hold it in another "
            "shape: without it there is no density."
        )
    density = _density(program)
    names = [site.name for site in density.latents]
    shape = next((draws[name].shape[:2] for name in [*names, *draws]), (1, 0))
    count = shape[0] * shape[1]
    if not count:
        raise OptionError("There are no draws to compute densities at: the posterior is empty.")
    rows = {
        name: np.asarray(draws[name], dtype=np.float64).reshape(count, *draws[name].shape[2:])
        for name in names
    }
    coordinates, log_jacobian = unconstrained_rows(program, rows, count)
    flat = [coordinates[name].reshape(count, -1) for name in names]
    q = np.concatenate(flat, axis=1) if flat else np.zeros((count, 0))
    groups = sampled_groups(density, q.reshape(*shape, q.shape[1]), log_likelihood, seed)
    for name, variable in groups["posterior"].items():
        if name in draws and draws[name].shape == variable.values.shape:
            groups["posterior"][name] = Variable(draws[name], variable.plates)
    values = log_densities(density, q)
    return Derived(groups, values.reshape(shape), log_jacobian.reshape(shape))


class _Invert(PlacePrior):
    """Sets latent sites to given values and notes them unconstrained, with the log Jacobians."""

    def __init__(self, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.values = values
        self.found: dict[str, torch.Tensor] = {}
        self.log_jacobian: torch.Tensor = torch.zeros(())

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        name, support = msg["name"], support_of(msg["fn"])
        if name not in self.values or is_discrete(support):
            super()._pyro_sample(msg)
            return
        msg["value"], msg["done"] = self.values[name], True
        transform = bijection(support)
        coordinates = transform.inv(msg["value"])
        self.found[name] = coordinates
        jacobian = transform.log_abs_det_jacobian(coordinates, msg["value"])
        self.log_jacobian = self.log_jacobian + jacobian.sum()


def unconstrained_rows(
    program: Program, rows: Mapping[str, np.ndarray], count: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Unconstrained values (n, *shape) of the rows of constrained ones, and log Jacobians (n,)."""
    leaves = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in rows.items()}
    if not leaves:
        return {}, np.zeros(count)

    def run(values: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        handler = _Invert(values)
        program.trace_with(handler)
        return handler.found, handler.log_jacobian

    with program.environment(), torch.no_grad(), index_by_scalars():
        step = rows_at_once(
            lambda: run({name: v[0] for name, v in leaves.items()} if count else {})
        )
        try:
            with rows_apart():
                batched = torch.vmap(run, randomness="different", chunk_size=step)
                found, jacobian = batched(leaves)
        except (RuntimeError, ValueError, NotImplementedError, TypeError):
            single = [run({name: v[i] for name, v in leaves.items()}) for i in range(count)]
            found = {name: torch.stack([each[0][name] for each in single]) for name in leaves}
            jacobian = torch.stack([each[1] for each in single])
    return {name: value.numpy() for name, value in found.items()}, jacobian.numpy()


def _density(program: Program) -> Density:
    try:
        return compile_density(program, "torch")
    except UnsupportedOperation:
        return compile_density(program, "eager")


def log_densities(density: Density, q: np.ndarray) -> np.ndarray:
    """Log densities (n,) in nats at the rows of `q` (n, dim)."""
    if not density.dim:
        return np.array([float(density.evaluate(row).log_density) for row in q[:1]]).repeat(len(q))
    return batch_of(density).value_and_grad(torch.from_numpy(np.ascontiguousarray(q)))[0].numpy()
