"""What makes a study the one that it is, as JSON: a store of another one must not be gone on."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from probgen.compile.data import digest_into
from probgen.declare.data import as_tensors, name_of
from probgen.declare.network import Network
from probgen.inference.graphical.choose import choose_engine
from probgen.results.sources import source_text
from probgen.targets.factors import condition

__all__ = ["fingerprint"]


def fingerprint(study: Any, posterior: int = 0) -> dict[str, Any]:
    """Settings of a study: model, method, data, seed and sizes.

    `posterior` is the number of replications of a posterior study, whose truths depend on it; 0
    for others.
    """
    network = isinstance(study.model, Network)
    method = study.method
    if network and method is None:
        method = choose_engine(condition(study.model))[0]
    shared = {
        "format": 1,
        "model": study.model.title if network else name_of(study.model),
        "source": _of_network(study.model) if network else _of_program(study.model),
        "method": without_addresses(repr(method)),
        "seed": study.seed,
        "ranks_among": study.ranks,
        "chains": study.chains,
        "draws": study.draws,
        "warmup": study.warmup,
    }
    if network:
        return {**shared, "observed": [str(study.model.names[v]) for v in study.observed]}
    return {
        **shared,
        "observed": list(study.observed),
        "data": _of_data(study.data),
        "posterior": posterior,
        "simulator": _of_program(study.simulator) if study.simulator else "",
        "quantities": sorted(study.quantities),
    }


def without_addresses(text: str) -> str:
    """A representation without the addresses of objects, which change from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _of_program(model: Callable[..., Any]) -> str:
    """A hash of the source, or of the name where there is none."""
    inner = inspect.unwrap(model)
    inner = getattr(inner, "__func__", inner)
    text = source_text(inner)
    if text is None:
        text = without_addresses(repr(getattr(inner, "__qualname__", type(inner).__qualname__)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _of_network(network: Network) -> str:
    digest = hashlib.sha256(repr((network.names, network.states)).encode())
    for factor in network.factors:
        digest.update(repr(factor.scope).encode())
        digest_into(digest, np.asarray(factor.log_table))
    return digest.hexdigest()[:16]


def _of_data(data: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(as_tensors(data).items()):
        if isinstance(value, torch.Tensor):
            digest.update(f"{name}:{value.dtype}{tuple(value.shape)}".encode())
            digest_into(digest, value.numpy())
        else:
            digest.update(f"{name}:{without_addresses(repr(value))}".encode())
    return digest.hexdigest()[:16]
