"""Draws of a deep belief network: chains at its top machine, then one pass down for every draw.

The joint draws are those of the network, but only as far as the chains at the top mix (Hinton,
Osindero & Teh 2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from probgen.errors import DataError, OptionError
from probgen.inference.graphical.gibbs import Gibbs
from probgen.inference.infer_machine import MachineOptions, prepare_machine
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.stream import Stream
from probgen.results.tree import Labels, Variable, build_groups

__all__ = ["infer_belief"]

_DOWN = 0x5BD1E995  # keeps the random numbers of the pass down from those of the chains


def infer_belief(
    network: BeliefNetwork,
    method: Any,
    data: Mapping[Any, Any] | None,
    options: MachineOptions,
    labels: Labels,
) -> xr.DataTree:
    """Draws of all layers as a DataTree, marginals of the two highest ones included.

    Raises `DataError` when there are data, `OptionError` for methods that do not sample machines.
    """
    if data:
        raise DataError(
            f"infer draws from the deep belief network itself, without data ({list(data)} given): "
            "given the visible layer its hidden layers have no conditional in closed form. "
            "network.recognise(...) approximates it."
        )
    method = Gibbs() if method is None else method
    if "machine" not in getattr(method, "serves", ()):
        raise OptionError(
            f"{method.name} does not sample the top machine of a deep belief network. Use "
            "Gibbs(), ParallelTempering() or Exact()."
        )
    run = prepare_machine(network.top, method, None, replace(options, hidden=True), labels)
    tree = run.sample()
    low = len(network.layers) - 2
    posterior = tree["posterior"].to_dataset()
    drawn = {u.name: posterior[u.name].values for u in network.layers[low]}
    chains, draws = next(iter(drawn.values())).shape[:2]
    with torch.no_grad():
        flat = {n: torch.from_numpy(v.reshape(chains * draws, -1)) for n, v in drawn.items()}
        state = network.encode(low, flat).to(network.device)
        states = network.descend(state, Stream(options.seed ^ _DOWN))
    sites = {
        name: Variable(_kept(value, chains, draws))
        for layer in range(low)
        for name, value in network.decode(layer, states[layer]).items()
    }
    below = build_groups({"posterior": sites}, labels)["posterior"]
    attrs = {"model": str(getattr(network, "title", type(network).__name__))}
    merged = xr.merge([below, posterior], combine_attrs="override")
    merged.attrs = {**posterior.attrs, **attrs}
    tree["posterior"] = xr.DataTree(merged)
    tree.attrs.update(attrs)
    return tree


def _kept(value: torch.Tensor, chains: int, draws: int) -> np.ndarray:
    kind = np.float32 if value.is_floating_point() and (value % 1 != 0).any() else np.uint8
    return value.cpu().numpy().astype(kind).reshape(chains, draws, -1)
