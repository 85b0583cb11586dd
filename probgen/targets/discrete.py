"""Posterior draws of the discrete sites that were summed out of a density.

For every draw of the continuous sites the discrete ones are drawn jointly and exactly from
their distribution given these and the data, by the tables of the program and one pass back
through the sums (forward filtering, backward sampling). Many draws are treated together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from probgen.declare.discrete.scalars import index_by_scalars
from probgen.declare.discrete.tables import Contraction
from probgen.declare.enumeration import Enumeration
from probgen.targets.density import Density

__all__ = ["Rows", "recover", "recovered_outputs"]

_PHILOX = 4  # random numbers that the generator makes at a time
_BYTES = 1 << 28  # of tables held at a time


@dataclass(frozen=True)
class Rows:
    """Which draws the rows of an array are: those of one chain after those of another.

    Random numbers belong to (seed, chain, draw), so that draws that are treated piece by piece
    get the same values as if they had been treated at once.
    """

    per_chain: int
    """Rows of each chain."""
    first: int = 0
    """Number of the first draw of every chain."""

    def uniform(self, seed: int, variable: int, start: int, shape: tuple[int, ...]) -> np.ndarray:
        """Random numbers of `shape` (row, ...) for the rows from `start` on."""
        size = math.prod(shape[1:])
        stride = -(-size // _PHILOX)
        parts, row, stop = [], start, start + shape[0]
        while row < stop:
            chain, within = divmod(row, self.per_chain)
            count = min(stop - row, self.per_chain - within)
            key = np.array([seed % 2**64, (chain << 32) + variable], dtype=np.uint64)
            bits = np.random.Philox(key=key).advance((self.first + within) * stride)
            drawn = np.random.Generator(bits).random((count, stride * _PHILOX))
            parts.append(drawn[:, :size])
            row += count
        return np.concatenate(parts).reshape(shape)


def recover(
    density: Density, unconstrained: np.ndarray, seed: int = 0, numbering: Rows | None = None
) -> dict[str, np.ndarray]:
    """Draws of all discrete latent sites, one for each row of `unconstrained` (n, dim).

    Returns integer arrays of shape (n, *shape of the site) by name, the same for the same seed
    and numbering (all one chain when left out); an empty mapping when the program has no such
    sites. Where a mask takes a value out of the density, nothing is known about it, and all its
    states are equally probable.
    """
    enumeration = density.program.enumeration
    if enumeration is None:
        return {}
    rows = np.ascontiguousarray(unconstrained, dtype=np.float64)
    numbering = numbering or Rows(max(len(rows), 1))
    drawn: dict[str, np.ndarray] = {
        variable.name: np.empty((len(rows), *density.program.sites[variable.name].shape), np.int64)
        for variable in enumeration.variables
    }
    at_once = max(1, _BYTES // (8 * enumeration.entries))
    with density.program.environment(), torch.no_grad():
        for start in range(0, len(rows), at_once):
            tables = _batched(density.program.tables_at, density, rows[start : start + at_once])
            uniform = partial(_uniform, numbering, seed, start)
            for name, value in _draw(enumeration, tables, uniform).items():
                drawn[name][start : start + at_once] = value.reshape(-1, *drawn[name].shape[1:])
    return drawn


def recovered_outputs(
    density: Density, unconstrained: np.ndarray, seed: int = 0, numbering: Rows | None = None
) -> dict[str, np.ndarray]:
    """Discrete sites as `recover` draws them, and the deterministic sites that depend on them.

    Keys and shapes are those of `Density.outputs`: "latent:NAME" and "deterministic:NAME".
    """
    discrete = recover(density, unconstrained, seed, numbering)
    outputs = {f"latent:{name}": value for name, value in discrete.items()}
    program, enumeration = density.program, density.program.enumeration
    if enumeration is None or not enumeration.deterministic:
        return outputs
    states = {v.name: v.states.dtype for v in enumeration.variables}
    rows = np.ascontiguousarray(unconstrained, dtype=np.float64)
    given = {name: torch.from_numpy(value).to(states[name]) for name, value in discrete.items()}
    names = sorted(enumeration.deterministic)

    def run(leaves: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        values = program.values_given(
            {name: leaves[name] for name in leaves if name not in given},
            {name: leaves[name] for name in given},
        )
        return [values[name] for name in names]

    with program.environment(), torch.no_grad():
        found = _batched(run, density, rows, given)
    return outputs | {
        f"deterministic:{name}": value.numpy() for name, value in zip(names, found, strict=True)
    }


_Run = Callable[[Mapping[str, torch.Tensor]], list[torch.Tensor]]


def _batched(
    run: _Run,
    density: Density,
    rows: np.ndarray,
    more: Mapping[str, torch.Tensor] | None = None,
) -> list[torch.Tensor]:
    """`run` at every row, under vmap where the program allows, otherwise one after another."""
    leaves = {name: torch.from_numpy(part) for name, part in density.split(rows).items()}
    leaves |= more or {}
    if leaves and not len(rows):  # for the shapes: one row, which is not handed back
        single_row = {name: leaf.new_zeros((1, *leaf.shape[1:])) for name, leaf in leaves.items()}
        origin, given = np.zeros((1, rows.shape[1])), {n: single_row[n] for n in more or {}}
        return [found[:0] for found in _batched(run, density, origin, given)]
    if not leaves:  # nothing continuous: all rows are alike
        return [found.expand(len(rows), *found.shape) for found in run(leaves)]
    try:
        with index_by_scalars():
            return torch.vmap(run, chunk_size=None)(leaves)
    except (RuntimeError, ValueError, NotImplementedError, TypeError):
        single = [run({name: leaf[i] for name, leaf in leaves.items()}) for i in range(len(rows))]
        return [torch.stack(parts) for parts in zip(*single, strict=True)]


def _uniform(
    numbering: Rows, seed: int, start: int, variable: int, shape: tuple[int, ...]
) -> torch.Tensor:
    return torch.from_numpy(numbering.uniform(seed, variable, start, shape))


def _draw(
    enumeration: Enumeration,
    tables: list[torch.Tensor],
    uniform: Callable[[int, tuple[int, ...]], torch.Tensor],
) -> dict[str, np.ndarray]:
    """States of every variable drawn from tables of many points."""
    drawn: dict[str, np.ndarray] = {}
    for component in enumeration.components:
        chosen = [tables[number] for number in component.factors]
        contraction = Contraction(component.order, chosen, enumeration.rank, keep=True)
        for v, index in contraction.draw(uniform).items():
            variable = enumeration.variables[v]
            drawn[variable.name] = variable.states[index].numpy()
    return drawn
