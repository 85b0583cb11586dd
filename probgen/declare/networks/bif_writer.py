"""Writer of the Bayesian interchange format (see `probgen.declare.networks.bif`)."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.text_files import write_text
from probgen.errors import ModelError

__all__ = ["as_texts", "write_bif"]

_WORD = re.compile(r"[\w.+-]+")


def write_bif(network: Network, path: str | Path) -> None:
    """Write a Bayesian network to a `.bif` file (gzipped if the name ends in .gz).

    Names and states become texts, ("A", 0) becomes A[0]; those that are no plain words are
    quoted. Probabilities have 15 digits. Raises `ModelError` for a Markov network and for
    names that differ only in their type.
    """
    if network.kind != "bayesian":
        raise ModelError(
            f"BIF holds Bayesian networks, {network.title!r} is a Markov network: "
            "write it to a .uai file."
        )
    network = as_texts(network)
    names = [_word(str(name)) for name in network.names]
    states = [[_word(str(state)) for state in of] for of in network.states]
    blocks = [f"network {_word(network.title)} {{\n}}\n"]
    blocks += [
        f"variable {name} {{\n  type discrete [ {len(of)} ] {{ {', '.join(of)} }};\n}}\n"
        for name, of in zip(names, states, strict=True)
    ]
    blocks += [_probability(factor, names, states) for factor in network.factors]
    write_text(path, "".join(blocks))


def as_texts(network: Network) -> Network:
    """The same network with names and states as texts, as file formats have them."""
    states = tuple(tuple(map(str, of)) for of in network.states)
    for name, before, after in zip(network.names, network.states, states, strict=True):
        if len(set(after)) != len(after):
            raise ModelError(
                f"Two states of {name!r} read alike as text: {before}. Rename one of them."
            )
    plain = all(isinstance(name, str) for name in network.names)
    names = network.names if plain else tuple(network.labels())
    return replace(network, names=names, states=states)


def _probability(factor: Factor, names: list[str], states: list[list[str]]) -> str:
    child = factor.child
    assert child is not None
    parents = [v for v in factor.scope if v != child]
    table = np.exp(np.moveaxis(factor.log_table, factor.scope.index(child), -1))
    rows = table.reshape(-1, table.shape[-1]).tolist()
    if not parents:
        return f"probability ( {names[child]} ) {{\n  table {_numbers(rows[0])};\n}}\n"
    head = f"probability ( {names[child]} | {', '.join(names[v] for v in parents)} ) {{\n"
    given = itertools.product(*(states[v] for v in parents))
    body = [f"  ({', '.join(g)}) {_numbers(row)};\n" for g, row in zip(given, rows, strict=True)]
    return head + "".join(body) + "}\n"


def _numbers(row: list[float]) -> str:
    return ", ".join(f"{p:.15g}" for p in row)


def _word(text: str) -> str:
    if _WORD.fullmatch(text):
        return text
    if '"' in text or "\n" in text:
        raise ModelError(f"The name {text!r} cannot be written to BIF: it has a quote or a line.")
    return f'"{text}"'
