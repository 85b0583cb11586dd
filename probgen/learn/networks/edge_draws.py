"""Draws of graphs as a DataTree, and the posterior probability of every edge."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

__all__ = ["edge_dataset", "edge_probabilities", "log_score_r_hat", "stats_dataset"]


def edge_dataset(graphs: np.ndarray, labels: Sequence[str]) -> xr.Dataset:
    """`edge` (chain, draw, parent, child), int8, from sets of parents (chain, draw, node)."""
    nodes = graphs.shape[2]
    bits = graphs[:, :, None, :] >> np.arange(nodes, dtype=np.uint64)[None, None, :, None]
    coordinates = {
        "chain": np.arange(graphs.shape[0]),
        "draw": np.arange(graphs.shape[1]),
        "parent": list(labels),
        "child": list(labels),
    }
    edges = (bits & np.uint64(1)).astype(np.int8)
    return xr.Dataset({"edge": (("chain", "draw", "parent", "child"), edges)}, coordinates)


def stats_dataset(log_weights: np.ndarray, accepted: np.ndarray) -> xr.Dataset:
    """`log_score` (nats: score plus log prior, not normalised) and `accepted`, (chain, draw)."""
    dims = ("chain", "draw")
    return xr.Dataset(
        {"log_score": (dims, log_weights), "accepted": (dims, accepted)},
        {"chain": np.arange(log_weights.shape[0]), "draw": np.arange(log_weights.shape[1])},
    )


def edge_probabilities(posterior: xr.Dataset) -> xr.Dataset:
    """Posterior probability of each edge with its Monte Carlo standard error, R-hat and ESS.

    Over (parent, child). Edges that never changed in any chain have no R-hat or ESS (NaN), and
    an error of 0 that says only that nothing was seen.
    """
    from arviz_stats import ess, rhat

    edges = posterior["edge"].astype(np.float64)
    probability = edges.mean(("chain", "draw"))
    chains = xr.Dataset({"edge": edges})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sizes = ess(chains, method="mean")["edge"]
        r_hats = rhat(chains, method="split")["edge"]
    constant = edges.std(("chain", "draw")) == 0
    sizes = sizes.where(~constant)
    r_hats = r_hats.where(~constant)
    variance = probability * (1 - probability)
    errors = np.sqrt(variance / sizes).where(~constant, 0.0)
    return xr.Dataset({"probability": probability, "mcse": errors, "r_hat": r_hats, "ess": sizes})


def log_score_r_hat(stats: xr.Dataset) -> float:
    """Rank-normalised split R-hat of the log score (Vehtari et al. 2021)."""
    from arviz_stats import rhat

    if stats.sizes["draw"] < 4 or float(stats["log_score"].std()) == 0:
        return float("nan")
    return float(rhat(stats[["log_score"]])["log_score"])
