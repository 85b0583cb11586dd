"""A run on a network in a store, with the network whole: names as JSON, tables as arrays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.evidence import resolve_evidence
from probgen.errors import DataError, ModelError, StoreError
from probgen.inference.infer_network import PACKAGES, NetworkOptions, NetworkRun
from probgen.inference.provenance import (
    describe_machine,
    describe_method,
    find_method,
    warn_of_differences,
)
from probgen.inference.storing import Request
from probgen.results.store.checkpoint import read_start
from probgen.targets.factors import condition

__all__ = ["describe", "restore"]

_TABLE = "factor:"


def describe(
    run: NetworkRun, model: Any, data: Mapping[Any, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The manifest of a run, without its format, and the arrays that it starts from."""
    hard, soft = resolve_evidence(run.network, data)
    counts = {name: run.count(name) for name in ("chains", "draws", "warmup")}
    manifest = {
        "network": _network_json(run.network),
        "method": describe_method(run.method),
        "method_reason": run.reason,
        "options": {**counts, "seed": run.options.seed},
        "evidence": {str(v): int(state) for v, state in hard.items()},
        "machine": describe_machine(PACKAGES),
    }
    likelihoods = {f"soft:{v}": np.asarray(value) for v, value in soft.items()}
    return manifest, {**_network_arrays(run.network), **likelihoods}


def restore(
    path: Path, manifest: Mapping[str, Any], options: Mapping[str, Any], request: Request
) -> NetworkRun:
    """The run again; raises naming what is not as it was."""
    start = read_start(path)
    described = manifest["network"]
    if described is None:
        raise StoreError(
            f"The names of the network in {path} are no plain texts or numbers, so it was not "
            "stored whole and cannot be gone on with."
        )
    network = _restored_network(described, start)
    hard = {int(v): int(state) for v, state in manifest["evidence"].items()}
    soft = {int(n.partition(":")[2]): v for n, v in start.items() if n.startswith("soft:")}
    if request.model is not None:
        if not isinstance(request.model, Network):
            raise ModelError(f"The run in {path} is of a network, and the model is a program.")
        _check_same_network(request.model, (hard, soft), network, request.data)
    elif request.data is not None:
        _check_same_network(network, (hard, soft), network, request.data)
    method = find_method(manifest["method"], request.method)
    warn_of_differences(manifest["machine"])
    return NetworkRun(
        network,
        condition(network, hard, soft),
        method,
        NetworkOptions(**options, threads=request.threads, progress=request.progress),
        manifest["method_reason"],
    )


def _network_json(network: Network) -> dict[str, Any] | None:
    """Names, states and scopes; None when a name is neither text nor number nor a pair of such."""
    try:
        return {
            "title": network.title,
            "names": [_named(name) for name in network.names],
            "states": [[_named(state) for state in states] for states in network.states],
            "latents": sorted(network.latents),
            "factors": [
                {"scope": [int(v) for v in f.scope], "child": f.child} for f in network.factors
            ],
        }
    except TypeError:
        return None


def _network_arrays(network: Network) -> dict[str, np.ndarray]:
    """The tables of a network (nats), by the names they have in a store."""
    return {f"{_TABLE}{k}": np.asarray(f.log_table) for k, f in enumerate(network.factors)}


def _restored_network(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Network:
    """The network of a store, table by table as it was."""
    try:
        factors = [
            Factor(tuple(each["scope"]), arrays[f"{_TABLE}{k}"], each["child"])
            for k, each in enumerate(described["factors"])
        ]
        return Network(
            tuple(map(_name, described["names"])),
            tuple(tuple(map(_name, states)) for states in described["states"]),
            tuple(factors),
            described["title"],
            frozenset(described["latents"]),
        )
    except (KeyError, TypeError, ModelError) as error:
        raise StoreError(f"The network in the store is damaged ({error}).") from error


def _check_same_network(
    network: Network,
    evidence: tuple[Mapping[int, int], Mapping[int, np.ndarray]] | None,
    stored: Network,
    data: Mapping[Any, Any] | None,
) -> None:
    """Raise naming what differs between a network with data given now and those of the store."""
    if network.names != stored.names or network.states != stored.states:
        unlike = [n for n in network.names if n not in set(stored.names)] or ["their order"]
        raise ModelError(
            f"The network differs from that of the store in its variables or states "
            f"({unlike[0]!r}). Go on with the network of the run."
        )
    same_scopes = [f.scope for f in network.factors] == [f.scope for f in stored.factors]
    for now, then in zip(network.factors, stored.factors, strict=False):
        if not same_scopes or not np.array_equal(now.log_table, then.log_table):
            scope = ", ".join(str(network.names[v]) for v in now.scope)
            raise ModelError(
                f"The network differs from that of the store: the table over {scope} is another. "
                "Go on with the network of the run."
            )
    if data is None or evidence is None:
        return
    hard, soft = resolve_evidence(network, data)
    for v in sorted({*hard, *evidence[0], *soft, *evidence[1]}):
        if hard.get(v) != evidence[0].get(v) or not np.array_equal(
            soft.get(v, np.zeros(0)), evidence[1].get(v, np.zeros(0))
        ):
            raise DataError(
                f"data[{network.names[v]!r}] differs from the evidence of the store. Go on with "
                "the evidence of the run, or start a new one."
            )


def _named(name: Hashable) -> Any:
    """A name as JSON; tuples become objects, since JSON has lists only."""
    if isinstance(name, tuple):
        return {"tuple": [_named(part) for part in name]}
    if isinstance(name, np.generic):
        return _named(name.item())
    if name is None or isinstance(name, (bool, int, float, str)):
        return name
    raise TypeError(f"{name!r} is no plain name")


def _name(described: Any) -> Hashable:
    if isinstance(described, dict):
        return tuple(_name(part) for part in described["tuple"])
    return described
