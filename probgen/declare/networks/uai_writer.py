"""Writer of the UAI format for networks and evidence (see `probgen.declare.networks.uai`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.linear import linear_table
from probgen.declare.networks.text_files import write_text

__all__ = ["numbers_text", "write_uai", "write_uai_evidence"]


def write_uai(network: Network, path: str | Path) -> None:
    """Write a network as BAYES if it is a Bayesian network, else as MARKOV.

    The format has no names: variables and states are written as their positions in
    `network.names` and `network.states`, and the names are lost. Numbers have 15 digits.
    Raises `ModelError` for potentials that float64 cannot hold.
    """
    bayes = network.kind == "bayesian"
    factors = [_child_last(factor) if bayes else factor for factor in network.factors]
    lines = [
        "BAYES" if bayes else "MARKOV",
        str(len(network.names)),
        " ".join(map(str, network.cards.tolist())),
        str(len(factors)),
    ]
    lines += [" ".join(map(str, (len(f.scope), *f.scope))) for f in factors]
    for factor in factors:
        table = linear_table(network, factor)
        lines += ["", str(table.size), numbers_text(table.ravel().tolist())]
    write_text(path, "\n".join(lines) + "\n")


def write_uai_evidence(evidence: Mapping[int, int], path: str | Path) -> None:
    """Write observed states, by positions, in the layout `m v s v s ...`."""
    pairs = (f" {int(v)} {int(s)}" for v, s in sorted(evidence.items()))
    write_text(path, f"{len(evidence)}{''.join(pairs)}\n")


def numbers_text(values: Iterable[float]) -> str:
    """Numbers with 15 digits, so that 0.1 stays 0.1 after a logarithm and back."""
    return " ".join(f"{value:.15g}" for value in values)


def _child_last(factor: Factor) -> Factor:
    assert factor.child is not None
    axis = factor.scope.index(factor.child)
    scope = (*(v for v in factor.scope if v != factor.child), factor.child)
    return Factor(scope, np.moveaxis(factor.log_table, axis, -1), factor.child)
