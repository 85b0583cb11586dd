"""A result on a discrete network as the checks see it: its marginals, draws and attributes.

First step of the diagnosis of a network. R-hat, ESS and errors of every state's indicator come
with the marginals of samplers; where they do not, they are computed from the draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from probgen.diagnose.record import merged_attrs
from probgen.diagnose.sampler_statistics import has
from probgen.errors import DataError

COLUMNS = ("probability", "mcse", "ess", "r_hat")


@dataclass(frozen=True)
class NetworkRecord:
    """What the checks see of one run on a network.

    Attributes
    ----------
    table: a row per (variable, state), indexed `variable=state`, with the columns variable,
        state, probability, mcse, ess and r_hat (NaN where there is none).
    log_joint: of every draw, nats, (chain, draw), of each case where there are cases (case,
        chain, draw); None from engines that do not sample.
    repeats: of every chain, the share of draws equal to the one before; None without draws.
    chains, draws: size of the run, 0 without draws.
    sampled: whether the marginals are averages over draws, with Monte Carlo errors.
    attrs: attributes of the tree.

    """

    table: pd.DataFrame
    log_joint: np.ndarray | None
    repeats: np.ndarray | None
    chains: int
    draws: int
    sampled: bool
    attrs: Mapping[str, Any]


def has_marginals(tree: Any) -> bool:
    """Whether a tree is the result of an engine for discrete networks."""
    return (
        isinstance(tree, xr.DataTree)
        and "marginals" in tree.children
        and "probability" in tree["marginals"].data_vars
    )


def follows_gradients(tree: xr.DataTree) -> bool:
    """Whether a sampler followed gradients: divergences and energies then have to be judged."""
    return has(tree, "sample_stats") and "diverging" in tree["sample_stats"].data_vars


def read_network_record(tree: xr.DataTree) -> NetworkRecord:
    """Read a tree; DataError when its marginals lack their coordinates."""
    marginals = tree["marginals"].to_dataset()
    if not {"variable", "state"} <= set(marginals.coords):
        raise DataError("The marginals group has no coordinates `variable` and `state`.")
    table = pd.DataFrame(
        {
            name: marginals[name].values if name in marginals else np.nan
            for name in ("variable", "state", *COLUMNS)
        }
    )
    table.index = pd.Index(table["variable"] + "=" + table["state"], name="entry")
    log_joint = None
    if has(tree, "sample_stats") and "log_joint" in tree["sample_stats"]:
        log_joint = tree["sample_stats"]["log_joint"].transpose(..., "chain", "draw").values
    repeats = _repeats(tree["posterior"].to_dataset()) if has(tree, "posterior") else None
    chains, draws = (0, 0) if log_joint is None else log_joint.shape[-2:]
    return NetworkRecord(
        table, log_joint, repeats, chains, draws, "mcse" in marginals, merged_attrs(tree)
    )


def _repeats(posterior: xr.Dataset) -> np.ndarray | None:
    """Share of the draws of each chain in which no variable changed."""
    if "draw" not in posterior.sizes or posterior.sizes["draw"] < 2:
        return None
    same: Any = True
    for array in posterior.data_vars.values():
        values = array.transpose("chain", "draw", ...).values
        equal = values[:, 1:] == values[:, :-1]
        same = same & equal.reshape(*equal.shape[:2], -1).all(axis=2)
    return np.asarray(same).mean(axis=1)
