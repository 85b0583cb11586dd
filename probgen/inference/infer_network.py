"""One run of an engine on a network: evidence by name, engine, DataTree.

Where the user names no method, the engine is chosen from the network's width, zeros and size;
the choice and its reason stand in the attributes of the tree.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from probgen.declare.network import Network
from probgen.declare.networks.evidence import resolve_evidence
from probgen.errors import OptionError, TooLargeError
from probgen.inference.cores import usable_cores
from probgen.inference.graphical.method import GraphMethod, GraphPlan
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.network_tree import network_tree
from probgen.targets.factors import Factors, condition

__all__ = ["NetworkOptions", "infer_network", "put_in_evidence"]

_PACKAGES = ("numpy", "xarray", "pgmpy")
_LOG_JOINT_BYTES = 8  # of every draw, beside a byte per variable


@dataclass(frozen=True)
class NetworkOptions:
    """What `infer` was asked for, for networks; None takes the method's own default."""

    chains: int | None
    draws: int | None
    warmup: int | None
    seed: int
    threads: int | None = None
    progress: bool = True


def infer_network(
    network: Network,
    method: GraphMethod | None,
    data: Mapping[Any, Any] | None,
    options: NetworkOptions,
) -> xr.DataTree:
    """Posterior of the free variables of a network, as a DataTree; see `probgen.infer`."""
    started = time.perf_counter()
    factors = put_in_evidence(network, data)
    reason = ""
    if method is None:
        from probgen.inference.graphical.choose import choose_engine  # it knows every engine

        method, reason = choose_engine(factors)
    ready = time.perf_counter()
    with ProgressDisplay(f"{method.name} {network.title}", options.progress) as display:
        plan = _plan(method, options, display)
        _check_room(method, plan, len(factors.free))
        try:
            result = method.run(factors, plan)
        except MemoryError as error:
            raise TooLargeError(
                f"{method.name} ran out of memory with {plan.chains} chains x {plan.draws} draws "
                f"of {len(factors.free)} variables: ask for fewer."
            ) from error
    attrs = run_attributes(network.title, method, options.seed, _PACKAGES)
    if reason:
        attrs["method_reason"] = reason
    attrs["seconds_setup"] = ready - started
    attrs["seconds_inference"] = time.perf_counter() - ready
    attrs.update(result.summary)
    labels = network.labels()
    return network_tree(
        labels=[labels[v] for v in factors.free],
        states=[network.states[v] for v in factors.free],
        marginals=result.marginals,
        draws=result.states,
        stats=result.stats,
        observed={labels[v]: (s, network.states[v][s]) for v, s in factors.evidence.items()},
        attrs=attrs,
    )


def put_in_evidence(network: Network, data: Mapping[Any, Any] | None) -> Factors:
    """The target of inference; raises `DataError` or `EvidenceError` for evidence that fails."""
    hard, soft = resolve_evidence(network, data)
    return condition(network, hard, soft)


def _plan(method: GraphMethod, options: NetworkOptions, display: ProgressDisplay) -> GraphPlan:
    def count(name: str) -> int:
        given = getattr(options, name)
        return int(method.defaults.get(name, 0) if given is None else given)

    if "factors" not in getattr(method, "serves", ()):
        raise OptionError(
            f"{method.name} needs a density over continuous sites; this is a discrete network. "
            "Use Exact(), Gibbs(), BeliefPropagation() ..., or leave the method out."
        )
    return GraphPlan(
        chains=max(count("chains"), 1),
        draws=count("draws"),
        warmup=count("warmup"),
        seed=options.seed,
        threads=options.threads or usable_cores(),
        progress=display.step,
    )


def _check_room(method: GraphMethod, plan: GraphPlan, variables: int) -> None:
    """Raise `TooLargeError` when the draws would not fit in the memory of the machine."""
    if hasattr(method, "thin") or not method.defaults.get("draws"):
        return  # engines that thin keep as many as fit; others keep none
    size = plan.chains * plan.draws * (variables + _LOG_JOINT_BYTES)
    if size > _machine_bytes():
        raise TooLargeError(
            f"{plan.chains} chains x {plan.draws} draws of {variables} variables need "
            f"{size / 1e9:.3g} GB, more than this machine has: ask for fewer."
        )


def _machine_bytes() -> float:
    """Memory of the machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
