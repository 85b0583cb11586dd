"""The posterior of a linear-Gaussian network, exactly: independent draws and the log evidence."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.networks.gaussian_network import GaussianNetwork, read_gaussian
from probgen.errors import DataError, OptionError
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.gaussian import GaussianPosterior, condition_gaussian
from probgen.inference.network_text import gaussian_text
from probgen.results.attributes import run_attributes
from probgen.results.tree import Variable, build_tree

__all__ = ["gaussian_posterior", "infer_gaussian", "is_exactly_gaussian"]


def is_exactly_gaussian(model: Any, method: Any, data: Mapping[Any, Any] | None) -> bool:
    """Whether the posterior is wanted and known in closed form: one number per observed node.

    Raises `OptionError` when `Exact()` is asked for with columns of observations, `DataError`
    for data that are no mapping.
    """
    if not any(kind.__name__ in _KINDS for kind in type(model).__mro__):
        return False
    data = {} if data is None else data
    if not hasattr(data, "items"):
        raise DataError(f"data must map nodes to values, not be {type(data).__name__}.")
    rows = [name for name, value in data.items() if np.ndim(value) > 0]
    if method is None:
        return not rows
    if getattr(method, "name", "") != "Exact":
        return False
    if rows:
        raise OptionError(
            f"Exact() takes one number per node of a linear-Gaussian network, but {rows[0]!r} is "
            "a column; use NUTS() for rows of observations."
        )
    return True


def gaussian_posterior(
    model: Any, data: Mapping[Any, Any] | None
) -> tuple[GaussianNetwork, dict[Any, Any], GaussianPosterior]:
    """The network as it was read, the evidence, and the posterior in closed form."""
    network = model if isinstance(model, GaussianNetwork) else read_gaussian(model)
    given = {name: value for name, value in (data or {}).items() if value is not None}
    return network, given, condition_gaussian(network, given)


_KINDS = ("LinearGaussianBayesianNetwork", "GaussianNetwork")


def infer_gaussian(
    model: Any,
    data: Mapping[Any, Any] | None,
    chains: int | None,
    draws: int | None,
    seed: int,
) -> xr.DataTree:
    """Exact draws of the free nodes, as a DataTree; see `probgen.infer`."""
    started = time.perf_counter()
    network, given, posterior = gaussian_posterior(model, data)
    chains, draws = (
        Exact.defaults["chains"] if chains is None else chains,
        Exact.defaults["draws"] if draws is None else draws,
    )
    values = posterior.draw(chains, draws, seed)
    source = gaussian_text(network.title, network.labels(), network.parents)
    packages = ("numpy", "xarray", "pgmpy")
    attrs = run_attributes("linear-Gaussian network", Exact(), seed, packages, source)
    attrs |= {
        "method_reason": "a linear-Gaussian posterior is known in closed form",
        "engine": "numpy",
        "log_evidence": posterior.log_evidence,
        "seconds_inference": time.perf_counter() - started,
    }
    labels = dict(zip(network.names, network.labels(), strict=True))
    drawn = {label: Variable(values[..., k]) for k, label in enumerate(posterior.labels())}
    observed = {
        labels[name]: Variable(np.asarray(value, dtype=float), sampled=False)
        for name, value in given.items()
    }
    return build_tree({"posterior": drawn, "observed_data": observed}, attrs=attrs)
