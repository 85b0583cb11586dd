"""Results for the report's tests: small, made of random numbers, some with hostile texts."""

from __future__ import annotations

import numpy as np
import xarray as xr
from arviz_base import from_dict

CHAINS, DRAWS, SCHOOLS = 4, 200, 5
HOSTILE = "<script>window.harmed=1</script>"
SITE = "<script>window.harmed=3"
ATTRIBUTE = '"><img src=x onerror="window.harmed=2">'
FORMULA = r"$\frac{$"


def regression(seed: int = 0, shift: float = 0.0, model: str = "schools") -> xr.DataTree:
    """A well mixed run with all groups; `shift` moves the last chain of mu."""
    rng = np.random.default_rng(seed)
    mu = rng.normal(2.0, 1.0, (CHAINS, DRAWS))
    mu[-1] += shift
    theta = rng.normal(size=(CHAINS, DRAWS, SCHOOLS)) + mu[..., None]
    y = np.linspace(0.0, 4.0, SCHOOLS)
    energy = rng.normal(20.0, 3.0, (CHAINS, DRAWS))
    diverging = np.zeros((CHAINS, DRAWS), bool)
    diverging[0, 5:20] = shift != 0
    groups = {
        "posterior": {"mu": mu, "tau": np.exp(rng.normal(size=(CHAINS, DRAWS))), "theta": theta},
        "prior": {"mu": rng.normal(size=(1, 300)), "theta": rng.normal(size=(1, 300, SCHOOLS))},
        "sample_stats": {"energy": energy, "lp": -energy, "diverging": diverging},
        "posterior_predictive": {"y": theta + rng.normal(size=theta.shape)},
        "log_likelihood": {"y": -0.5 * (y - theta) ** 2 - 0.92},
        "observed_data": {"y": y},
        "constant_data": {"sigma": np.ones(SCHOOLS)},
    }
    tree = from_dict(groups, dims={"theta": ["school"], "y": ["school"]})
    tree.attrs.update(
        model=model,
        method="NUTS",
        inference_library="probgen",
        method_settings="NUTS(target_accept=0.8)",
        seed=seed,
        versions='{"torch": "2.9"}',
        gradient_evaluations=123456,
        seconds_sampling=1.5,
        model_source="def schools(y):\n    return y < 3\n",
    )
    return tree


def wide(scalars: int, draws: int = 1000, seed: int = 0) -> xr.DataTree:
    """A run of so many scalars, a few of them badly mixed, without other groups than stats."""
    rng = np.random.default_rng(seed)
    beta = rng.normal(size=(CHAINS, draws, scalars))
    beta[0, :, : scalars // 20] += 1.0
    return from_dict(
        {
            "posterior": {"beta": beta},
            "sample_stats": {"energy": rng.normal(size=(CHAINS, draws)).cumsum(axis=1) / 9},
        }
    )


def bare(seed: int = 0) -> xr.DataTree:
    """A posterior and nothing else: one chain, no statistics, no attributes."""
    rng = np.random.default_rng(seed)
    return from_dict({"posterior": {"a": rng.normal(size=(1, 50))}})


def hostile() -> xr.DataTree:
    """A run whose names, labels, notes, attributes and source try to be markup."""
    tree = regression(shift=3.0, model=HOSTILE)
    posterior = tree["posterior"].to_dataset()
    labels = [HOSTILE, ATTRIBUTE, FORMULA, "</script>", "a & b"]
    posterior = posterior.assign_coords(school=labels)
    posterior[ATTRIBUTE] = posterior["mu"] * 2
    posterior["long_" * 60] = posterior["mu"] * 3
    posterior[FORMULA] = posterior["mu"] + 5 * np.arange(CHAINS)[:, None]
    for group in ("posterior_predictive", "log_likelihood", "observed_data"):
        tree[group] = xr.DataTree(tree[group].to_dataset().rename(y=SITE))
    tree["posterior"] = xr.DataTree(posterior)
    tree.attrs.update(
        model_source=f"</code></pre>{HOSTILE}",
        notes=f'["{HOSTILE} ran away"]',
        method_settings=ATTRIBUTE,
        backend=f"`{HOSTILE}`",
    )
    tree.attrs[HOSTILE] = ATTRIBUTE
    return tree


def network(sampled: bool = True, seed: int = 0) -> xr.DataTree:
    """Marginals of a small network, from a sampler or exact."""
    rng = np.random.default_rng(seed)
    probability = np.array([0.2, 0.8, 0.5, 0.3, 0.2])
    columns = {"probability": ("entry", probability)}
    if sampled:
        columns["mcse"] = ("entry", np.full(5, 0.01))
        columns["r_hat"] = ("entry", np.full(5, 1.0))
        columns["ess"] = ("entry", np.full(5, 900.0))
    coords = {
        "variable": ("entry", np.array(["rain", "rain", "grass", "grass", "grass"])),
        "state": ("entry", np.array(["no", HOSTILE, "dry", "damp", "wet"])),
    }
    groups = {"marginals": xr.Dataset(columns, coords)}
    if sampled:
        joint = (("chain", "draw"), rng.normal(size=(CHAINS, DRAWS)))
        groups["sample_stats"] = xr.Dataset({"log_joint": joint})
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(model="rain", method="Gibbs" if sampled else "Exact", seed=1)
    return tree
