"""A run of `pyro.infer.MCMC` as draws and sample statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.errors import OptionError
from probgen.inference.pyro_results.source import Source, named_arguments

__all__ = ["read_mcmc"]

_RATE = "acceptance rate"


def read_mcmc(mcmc: Any) -> Source:
    """Draws by chain, divergences, acceptance rates, and the model with the arguments of `run`.

    Raises `OptionError` for a run that keeps no samples or has not been started.
    """
    if not hasattr(mcmc, "get_samples"):
        raise OptionError(
            f"from_pyro: {type(mcmc).__name__} keeps no samples; run pyro.infer.MCMC instead."
        )
    if getattr(mcmc, "_samples", None) is None:
        raise OptionError("from_pyro: this MCMC has no samples yet; call its run(...) first.")
    samples = mcmc.get_samples(group_by_chain=True)
    draws = {str(name): value.detach().cpu().numpy() for name, value in samples.items()}
    kernel = mcmc.kernel
    model, data = getattr(kernel, "model", None), None
    if model is not None:
        model, data = named_arguments(model, mcmc._args, mcmc._kwargs)
    per_chain = [each or {} for each in getattr(mcmc, "_diagnostics", ())] or [{}]
    shape = next(iter(draws.values())).shape[:2] if draws else (mcmc.num_chains, 0)
    stats: dict[str, np.ndarray] = {}
    if all("divergences" in each for each in per_chain):
        stats["diverging"] = np.zeros(shape, dtype=bool)
        for chain, each in enumerate(per_chain):
            stats["diverging"][chain, list(each["divergences"])] = True
    attrs: dict[str, Any] = {
        "method": type(kernel).__name__,
        "warmup": int(getattr(mcmc, "warmup_steps", 0)),
    }
    if all(_RATE in each for each in per_chain):
        attrs["acceptance_rate"] = [float(each[_RATE]) for each in per_chain]
    depth = getattr(kernel, "_max_tree_depth", None)
    if depth is not None:
        attrs["max_tree_depth"] = int(depth)
    return Source(draws, model, data, stats, attrs)
