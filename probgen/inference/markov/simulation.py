"""Simulated paths of a Markov chain, as a DataTree."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.networks.transition import TransitionModel
from probgen.errors import DataError, OptionError
from probgen.inference.markov.chains import stationary
from probgen.results.tree import Labels, Variable, build_tree

__all__ = ["simulate"]

_FEW_CHAINS = 16  # below it, one chain after the other is faster than all together


def simulate(
    model: TransitionModel,
    steps: int,
    chains: int = 1,
    seed: int = 0,
    start: Any = None,
) -> xr.DataTree:
    """Paths of `steps` states each, the first included: `posterior["state"]` (chain, draw).

    States are numbers; their names are the attribute `states` of the variable. `start` is a
    state, or a law of the first state (array or mapping); without it, the declared initial law,
    or else the stationary one. A chain's path depends on its own number and the seed, not on how
    many chains there are. Raises `OptionError`, or `DataError` when no law of the first state is
    known.
    """
    for option, value in (("steps", steps), ("chains", chains)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"simulate({option}={value!r}): it must be a positive integer.")
    law = _first_law(model, start)
    sequences = np.random.SeedSequence(seed % 2**128).spawn(chains)
    uniforms = np.stack([np.random.default_rng(each).random(steps) for each in sequences])
    kind = np.int8 if model.size <= 128 else np.int16 if model.size <= 2**15 else np.int32
    paths = np.empty((chains, steps), dtype=kind)
    paths[:, 0] = _draw_first(law, uniforms[:, 0])
    walk = _walk_singly if chains < _FEW_CHAINS else _walk_together
    walk(model, uniforms, paths)
    names = [str(state) for state in model.names]
    tree = build_tree(
        {"posterior": {"state": Variable(paths)}},
        Labels(),
        {"model": model.title, "seed": seed, "states": names},
    )
    tree["posterior"]["state"].attrs["states"] = names
    return tree


def _first_law(model: TransitionModel, start: Any) -> np.ndarray:
    if start is None and model.initial is not None:
        return np.asarray(model.initial)
    if start is None:
        laws = stationary(model)
        if len(laws) > 1:
            raise DataError(
                f"{model.title} has {len(laws)} stationary laws and no initial one: say where to "
                "begin with start=..."
            )
        return laws[0].probabilities
    if isinstance(start, (np.ndarray, list, Mapping)):
        return np.asarray(TransitionModel(model.matrix, model.names, start).initial)
    law = np.zeros(model.size)
    law[model.index(start)] = 1.0
    return law


def _draw_first(law: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    possible = np.flatnonzero(law)
    edges = np.cumsum(law[possible])
    found = np.searchsorted(edges, uniforms, side="right")
    return np.asarray(possible[np.minimum(found, len(possible) - 1)])


def _ladder(model: TransitionModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One rising sequence for all rows: entry e of row s is s plus the row's running sum."""
    graph = model.csr
    starts, ends = graph.indptr[:-1], graph.indptr[1:]
    running = np.cumsum(graph.data)
    before = np.concatenate([[0.0], running])[starts]
    sizes = ends - starts
    edges = running - np.repeat(before, sizes)
    edges[ends - 1] = 1.0
    return edges + np.repeat(np.arange(model.size), sizes), ends, graph.indices


def _walk_together(model: TransitionModel, uniforms: np.ndarray, paths: np.ndarray) -> None:
    edges, ends, targets = _ladder(model)
    state = paths[:, 0].astype(np.int64)
    columns = np.ascontiguousarray(uniforms.T)
    for step in range(1, paths.shape[1]):
        found = np.searchsorted(edges, state + columns[step], side="right")
        state = targets[np.minimum(found, ends[state] - 1)]
        paths[:, step] = state


def _walk_singly(model: TransitionModel, uniforms: np.ndarray, paths: np.ndarray) -> None:
    arrays = _ladder(model)
    edges, ends, targets = (array.tolist() for array in arrays)
    begins = [0, *ends]
    for chain, row in enumerate(uniforms):
        state = int(paths[chain, 0])
        path = [state]
        for uniform in row[1:].tolist():
            last = ends[state] - 1
            state = targets[bisect_right(edges, state + uniform, begins[state], last)]
            path.append(state)
        paths[chain] = path
