"""Sampling runs made up of random numbers, good ones and ones with a known fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from arviz_base import from_dict

CHAINS, DRAWS = 4, 1000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(seed: int = 0, *shape: int, chains: int = CHAINS, draws: int = DRAWS) -> np.ndarray:
    return rng(seed).normal(size=(chains, draws, *shape))


def autoregressive(correlation: float, seed: int = 0, chains: int = CHAINS) -> np.ndarray:
    noise = rng(seed).normal(size=(chains, DRAWS)) * np.sqrt(1 - correlation**2)
    values = np.empty_like(noise)
    values[:, 0] = rng(seed + 1).normal(size=chains)
    for draw in range(1, DRAWS):
        values[:, draw] = correlation * values[:, draw - 1] + noise[:, draw]
    return values


def good_stats(chains: int = CHAINS, draws: int = DRAWS, seed: int = 100) -> dict[str, np.ndarray]:
    generator = rng(seed)
    energy = generator.normal(50, 3, (chains, draws))
    return {
        "lp": -energy + generator.normal(size=(chains, draws)),
        "energy": energy,
        "diverging": np.zeros((chains, draws), dtype=bool),
        "tree_depth": generator.integers(2, 5, (chains, draws)),
        "acceptance_rate": generator.uniform(0.7, 0.95, (chains, draws)),
        "step_size": np.full((chains, draws), 0.5),
    }


def tree_of(
    posterior: dict[str, np.ndarray],
    stats: dict[str, np.ndarray] | None = None,
    attrs: dict[str, Any] | None = None,
    sampled: tuple[str, ...] | None = None,
    **changed: np.ndarray,
) -> xr.DataTree:
    """A DataTree; `changed` replaces sampler statistics, `sampled` names the latent sites."""
    first = next(iter(posterior.values()))
    if stats is None:
        stats = good_stats(*first.shape[:2]) | changed
    groups = {"posterior": posterior}
    if stats:
        groups["sample_stats"] = stats
    if sampled is not None:
        groups["unconstrained_posterior"] = {name: posterior[name] for name in sampled}
    tree = from_dict(groups)
    tree.attrs.update(attrs or {})
    return tree


def funnel(seed: int = 0, neck: float = 0.9) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """mu, tau and theta ~ Normal(mu, tau), with divergent draws where tau is small."""
    generator = rng(seed)
    mu = generator.normal(4.4, 3.3, (CHAINS, DRAWS))
    tau = np.exp(generator.normal(1.0, 0.9, (CHAINS, DRAWS)))
    theta = mu[..., None] + tau[..., None] * generator.normal(size=(CHAINS, DRAWS, 8))
    diverging = (tau < neck) & (generator.random((CHAINS, DRAWS)) < 0.25)
    return {"mu": mu, "tau": tau, "theta": theta}, diverging
