"""What an engine found out about a network, as an ArviZ DataTree.

`posterior` holds the draws as state numbers (int8 where they fit), with the names of the states
of variable X in the coordinate X_state. Networks of more than `MOST_VARIABLES` variables are
stored as one array `state` over the dimension `variable`. `marginals` is the same for all sizes
and engines: one entry per (variable, state) with its probability and, from samplers, the Monte
Carlo standard error, R-hat and ESS of its indicator function. An indicator has two values, so
its rank-normalised split R-hat (Vehtari et al. 2021) is its plain split R-hat.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from probgen.errors import DataError
from probgen.results.marginals import Marginals
from probgen.results.tree import SAMPLE_DIMS, storable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_VARIABLES", "marginals_table", "network_groups", "network_tree"]

MOST_VARIABLES = 200  # as variables of their own: each costs xarray a tenth of a millisecond


def network_tree(
    labels: Sequence[str],
    states: Sequence[Sequence[Hashable]],
    marginals: Marginals,
    draws: np.ndarray | None,
    stats: Mapping[str, np.ndarray],
    observed: Mapping[str, tuple[int, Hashable]],
    attrs: Mapping[str, Any],
) -> xr.DataTree:
    """The DataTree of one run: `posterior`, `marginals`, `sample_stats`, `observed_data`.

    For the arguments see `network_groups`; `attrs` are those of the run.
    """
    groups = network_groups(labels, states, marginals, draws, stats, observed)
    plain = {key: storable(value) for key, value in attrs.items()}
    tree = xr.DataTree()
    tree.attrs.update(plain)
    for name in ("posterior", "marginals"):
        if name in groups:
            groups[name].attrs.update(plain)
    tree.children = {name: xr.DataTree(dataset) for name, dataset in groups.items()}
    return tree


def network_groups(
    labels: Sequence[str],
    states: Sequence[Sequence[Hashable]],
    marginals: Marginals | None,
    draws: np.ndarray | None,
    stats: Mapping[str, np.ndarray],
    observed: Mapping[str, tuple[int, Hashable]],
) -> dict[str, xr.Dataset]:
    """The datasets of such a tree, as far as they are known.

    `labels` and `states` are those of the free variables (a variable called like a dimension of
    draws, "chain" or "draw", gets "~2" behind its name), `draws` has shape (chain, draw,
    variable), `observed` gives number and name of the state of each observed variable.
    """
    labels = [f"{label}~2" if label in SAMPLE_DIMS else label for label in labels]
    names = [state_labels(each) for each in states]
    groups = {}
    if draws is not None:
        groups["posterior"] = posterior_dataset(labels, names, draws)
    if marginals is not None:
        groups["marginals"] = marginals_dataset(labels, names, marginals)
    if stats:
        arrays = {name: (("chain", "draw"), values) for name, values in stats.items()}
        groups["sample_stats"] = xr.Dataset(arrays, coords=_sample_coordinates(stats))
    if observed:
        groups["observed_data"] = observed_dataset(observed)
    return groups


def posterior_dataset(
    labels: Sequence[str], states: Sequence[np.ndarray], draws: np.ndarray
) -> xr.Dataset:
    """Draws (chain, draw, variable) as a dataset of state numbers."""
    most = max((len(names) for names in states), default=1)
    codes = draws.astype(np.min_scalar_type(-most), copy=False)
    coordinates: dict[str, Any] = {
        "chain": np.arange(draws.shape[0]),
        "draw": np.arange(draws.shape[1]),
    }
    if len(labels) > MOST_VARIABLES:
        table = np.full((len(labels), most), "", dtype=object)
        for row, names in enumerate(states):
            table[row, : len(names)] = [str(name) for name in names]
        coordinates["variable"] = np.array(labels, dtype=object).astype(str)
        coordinates["state_name"] = (("variable", "state_number"), table.astype(str))
        return xr.Dataset({"state": (("chain", "draw", "variable"), codes)}, coordinates)
    by_variable = np.ascontiguousarray(np.moveaxis(codes, 2, 0))
    known = set(labels)
    arrays = {}
    for label, names, values in zip(labels, states, by_variable, strict=True):
        named = f"{label}_state" if f"{label}_state" not in known else f"{label}_state~2"
        coordinates[named] = names
        arrays[label] = (("chain", "draw"), values, {"states": named})
    return xr.Dataset(arrays, coordinates)


def marginals_dataset(
    labels: Sequence[str], states: Sequence[np.ndarray], marginals: Marginals
) -> xr.Dataset:
    """One entry per (variable, state): probability, and mcse, r_hat, ess where there are any."""
    variables = [label for label, names in zip(labels, states, strict=True) for _ in names]
    names = [str(name) for list_of in states for name in list_of]
    columns = {
        "probability": marginals.probabilities,
        "mcse": marginals.errors,
        "r_hat": marginals.r_hat,
        "ess": marginals.ess,
    }
    return xr.Dataset(
        {name: ("entry", values) for name, values in columns.items() if values is not None},
        {
            "variable": ("entry", np.array(variables, dtype=str)),
            "state": ("entry", np.array(names, dtype=str)),
        },
    )


def observed_dataset(observed: Mapping[str, tuple[int, Hashable]]) -> xr.Dataset:
    """The evidence: of each observed variable the name of its state, and its number."""
    return xr.Dataset(
        {
            label: ((), str(state), {"state_number": number})
            for label, (number, state) in observed.items()
        }
    )


def marginals_table(tree: xr.DataTree) -> pd.DataFrame:
    """The marginals of a tree from `infer` on a network, as a data frame.

    Indexed by (variable, state), with the columns probability and, from samplers, mcse, r_hat
    and ess. Raises `DataError` when the tree has no such group.
    """
    if not isinstance(tree, xr.DataTree) or "marginals" not in tree.children:
        raise DataError("marginals(tree) needs a tree from infer on a network.")
    return tree["marginals"].to_dataset().to_dataframe().set_index(["variable", "state"])


def state_labels(states: Sequence[Hashable]) -> np.ndarray:
    """State names as a coordinate: whole numbers as numbers, anything else as text."""
    if all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) for s in states):
        return np.array([int(s) for s in states])  # type: ignore[call-overload]
    return np.array([str(state) for state in states])


def _sample_coordinates(stats: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    chains, draws = next(iter(stats.values())).shape
    return {"chain": np.arange(chains), "draw": np.arange(draws)}
