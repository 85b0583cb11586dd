"""Sampler statistics, and losses of training, by one vocabulary whichever library wrote them.

Part of reading a DataTree for diagnosis. What is missing is told, so that the verdict can say what
it has not looked at.
"""

from itertools import product

import numpy as np
import xarray as xr

# our name of a statistic -> the names it has elsewhere (PyMC, nutpie, NumPyro, Stan via ArviZ,
# blackjax, TensorFlow Probability)
ALIASES = {
    "lp": ("lp", "logp", "lp__", "log_prob", "logdensity", "log_density"),
    "energy": ("energy", "energy__"),
    "step_size": ("step_size", "stepsize__"),
    "tree_depth": ("tree_depth", "depth", "treedepth", "treedepth__"),
    "reached_max_depth": (
        "reached_max_depth",
        "reached_max_treedepth",
        "maxdepth_reached",
    ),
    "acceptance_rate": (
        "acceptance_rate",
        "mean_tree_accept",
        "accept_stat__",
        "acceptance",
        "accept_prob",
        "accept",
    ),
    "diverging": ("diverging", "divergent__", "divergences", "is_divergent", "diverge"),
    "n_steps": ("n_steps", "n_leapfrog__", "num_steps", "tree_size", "num_integration_steps"),
}
# ours whose results have divergences, energy and so on
GRADIENT_METHODS = ("NUTS", "HMC", "ChEES", "MAMS", "MCLMC")
# statistics that make no sense for a method of ours, whose absence is no news
SENSELESS = {
    "ChEES": {"tree_depth"},
    "MAMS": {"tree_depth", "energy"},
    "MCLMC": {"tree_depth", "energy", "acceptance_rate"},
}


def has(tree: xr.DataTree, group: str) -> bool:
    """Whether a tree has a group with variables in it."""
    return group in tree.children and bool(tree[group].data_vars)


def without_statistics(posterior: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """The sites, and the statistics that Stan's converters leave among them (`lp__`, ...)."""
    known = {alias for aliases in ALIASES.values() for alias in aliases if alias.endswith("__")}
    inside = [name for name in posterior.data_vars if name in known]
    return posterior.drop_vars(inside), posterior[inside]


def read_stats(
    tree: xr.DataTree, posterior: xr.Dataset, inside: xr.Dataset
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Sampler statistics by our names, and remarks on those that are missing.

    `inside` are statistics that stood in the posterior group.
    """
    follows_gradients = (
        tree.attrs.get("inference_library") != "probgen"
        or tree.attrs.get("method") in GRADIENT_METHODS
    )
    if not has(tree, "sample_stats") and not inside.data_vars:
        return {}, [] if not follows_gradients else [
            "There is no sample_stats group: divergences, energy, tree depth and acceptance "
            "were not checked."
        ]
    group = tree["sample_stats"].to_dataset() if has(tree, "sample_stats") else xr.Dataset()
    if "chain" not in group.dims and "draw" in group.dims:
        group = group.expand_dims("chain")
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    found: dict[str, np.ndarray] = {}
    for name, aliases in ALIASES.items():
        for source, alias in product((group, inside), aliases):
            if alias in source and set(source[alias].dims) == {"chain", "draw"}:
                array = np.asarray(source[alias].transpose("chain", "draw").values)
                if array.shape == shape:
                    found[name] = array
                    break
    wanted = {
        "diverging": "divergences",
        "energy": "E-BFMI",
        "tree_depth": "tree depth",
        "acceptance_rate": "acceptance",
    }
    if not follows_gradients:
        return found, []
    senseless = SENSELESS.get(str(tree.attrs.get("method")), set())
    if "reached_max_depth" in found:
        senseless = {*senseless, "tree_depth"}
    return found, [
        f"sample_stats has no `{name}`: {what} was not checked."
        if what != "divergences"
        else f"sample_stats has no `{name}`: divergences were not checked."
        for name, what in wanted.items()
        if name not in found and name not in senseless
    ]


def read_losses(tree: xr.DataTree) -> np.ndarray | None:
    """`loss` by step in the group `history`, where a fit has left it."""
    if not has(tree, "history") or "loss" not in tree["history"]:
        return None
    array = tree["history"]["loss"]
    numeric = array.ndim == 1 and np.issubdtype(array.dtype, np.number)
    return np.asarray(array.values, dtype=float) if numeric else None
