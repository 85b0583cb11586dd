"""An engine on a network: evidence by name, engine, run.

Where the user names no method, the engine is chosen from the network's width, zeros and size;
the choice and its reason stand in the attributes of the tree.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import xarray as xr

from probgen.declare.network import Network
from probgen.declare.networks.evidence import resolve_evidence
from probgen.errors import OptionError
from probgen.inference.graphical.method import GraphMethod
from probgen.inference.network_run import PACKAGES, NetworkRun, StepProgress
from probgen.inference.options import NetworkOptions
from probgen.targets.factors import Factors, condition

__all__ = [
    "PACKAGES",
    "NetworkOptions",
    "NetworkRun",
    "StepProgress",
    "infer_network",
    "prepare_network",
    "put_in_evidence",
]


def infer_network(
    network: Network,
    method: GraphMethod | None,
    data: Mapping[Any, Any] | None,
    options: NetworkOptions,
) -> xr.DataTree:
    """Posterior of the free variables of a network, as a DataTree; see `probgen.infer`."""
    return prepare_network(network, method, data, options).sample()


def prepare_network(
    network: Network,
    method: GraphMethod | None,
    data: Mapping[Any, Any] | None,
    options: NetworkOptions,
) -> NetworkRun:
    """Put in the evidence and choose an engine, so that the network can be sampled."""
    started = time.perf_counter()
    factors = put_in_evidence(network, data)
    reason = ""
    if method is None:
        from probgen.inference.graphical.choose import choose_engine  # it knows every engine

        method, reason = choose_engine(factors)
    _check_serves(method)
    run = NetworkRun(network, factors, method, options, reason)
    run.seconds_setup = time.perf_counter() - started
    return run


def put_in_evidence(network: Network, data: Mapping[Any, Any] | None) -> Factors:
    """The target of inference; raises `DataError` or `EvidenceError` for evidence that fails."""
    hard, soft = resolve_evidence(network, data)
    return condition(network, hard, soft)


def _check_serves(method: GraphMethod) -> None:
    if "factors" not in getattr(method, "serves", ()):
        raise OptionError(
            f"{method.name} needs a density over continuous sites; this is a discrete network. "
            "Use Exact(), Gibbs(), BeliefPropagation() ..., or leave the method out."
        )
