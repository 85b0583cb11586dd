"""Models with time - dynamic Bayesian networks and Markov chains of pgmpy - unrolled.

Slice 0 has the initial tables; every later slice repeats the tables of slice 1 (Dean and
Kanazawa 1989; Murphy 2002). The variables of the network are pairs (name, slice).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from probgen.declare.network import Network
from probgen.declare.networks.acyclic import check_acyclic
from probgen.declare.networks.named_tables import NamedTable, agreed_states, assemble
from probgen.declare.networks.pgmpy_tables import one_for_each, read_table
from probgen.errors import ModelError

__all__ = ["unroll_chain", "unroll_dynamic"]

_Node = tuple[Hashable, int]


def unroll_dynamic(model: Any, slices: int) -> Network:
    """A `DynamicBayesianNetwork` over a number of time slices.

    A variable without parents in the slice before may have one CPD, for slice 0 or 1; it then
    holds in every slice. Raises `ModelError` like `read_network`, and for a variable with
    parents in the slice before that has no initial CPD.
    """
    names = list(dict.fromkeys(node[0] for node in model.nodes))
    parents: dict[Hashable, list[Hashable]] = {(n, t): [] for t in (0, 1) for n in names}
    for start, end in model.edges:
        parents[_plain(end)].append(_plain(start))
    check_acyclic(parents)
    given = [read_table(cpd, conditional=True) for cpd in model.cpds]
    given = [replace(table, scope=tuple(map(_plain, table.scope))) for table in given]
    pair = one_for_each(given + _copied(given, parents), parents)
    nameless = [replace(table, scope=tuple(_plain(n)[0] for n in table.scope)) for table in pair]
    states = agreed_states(names, nameless)
    later = pair[len(names) :]
    tables = pair[: len(names)] + [_shifted(k, t - 1) for t in range(1, slices) for k in later]
    nodes = [(name, t) for t in range(slices) for name in names]
    hidden = {node[0] if _is_node(node) else node for node in model.latents}
    latents = [node for node in nodes if node[0] in hidden]
    title = getattr(model, "name", "") or type(model).__name__
    return assemble(title, {node: states[node[0]] for node in nodes}, tables, latents)


def unroll_chain(model: Any, slices: int) -> Network:
    """A `MarkovChain` over a number of steps: an independent chain for each of its variables.

    The start state of the model, if it has one, is certain; otherwise starts are uniform, as
    pgmpy draws them.
    """
    start = {s[0]: s[1] for s in getattr(model, "state", None) or ()}
    tables = []
    for name in model.variables:
        card = int(model.cardinalities[name])
        states = tuple(range(card))
        matrix = _transition_matrix(name, model.transition_models[name], card)
        initial = np.full(card, 1 / max(card, 1))
        if name in start:
            initial = np.eye(card)[int(start[name])]
        tables.append(NamedTable(((name, 0),), (states,), initial, 0))
        tables += [
            NamedTable(((name, t), (name, t - 1)), (states, states), matrix.T, 0)
            for t in range(1, slices)
        ]
    variables = [(name, t) for t in range(slices) for name in model.variables]
    return assemble(type(model).__name__, agreed_states(variables, tables), tables)


def _plain(node: Any) -> _Node:
    """pgmpy's DynamicNode as a tuple."""
    return (node[0], int(node[1]))


def _is_node(node: Any) -> bool:
    return type(node).__name__ == "DynamicNode" or (
        isinstance(node, tuple) and len(node) == 2 and node[1] in (0, 1)
    )


def _copied(
    given: list[NamedTable], parents: Mapping[Hashable, list[Hashable]]
) -> list[NamedTable]:
    """Tables of slice 0 or 1 that stand for the other slice too, moved there."""
    known = {_plain(table.scope[0]): table for table in given}
    copies = []
    for node in parents:
        name, t = _plain(node)
        other = known.get((name, 1 - t))
        if (name, t) in known or other is None:
            continue
        moved = _shifted(other, 2 * t - 1)
        if set(moved.scope[1:]) == set(parents[node]):
            copies.append(moved)
        elif t == 0:
            raise ModelError(
                f"The variable {name!r} has no initial CPD: add one for {node!r}, since that "
                f"of {other.scope[0]!r} has parents in the slice before."
            )
    return copies


def _shifted(table: NamedTable, slices: int) -> NamedTable:
    nodes = map(_plain, table.scope)
    return replace(table, scope=tuple((name, t + slices) for name, t in nodes))


def _transition_matrix(name: Hashable, rows: Mapping[Any, Mapping[Any, float]], card: int) -> Any:
    """Row i: probabilities of the next state after state i."""
    matrix = np.zeros((card, card))
    for i in range(card):
        if i not in rows:
            raise ModelError(
                f"The chain {name!r} has no transitions from state {i}: give them with "
                "add_transition_model."
            )
        for j, probability in rows[i].items():
            if j not in range(card):
                raise ModelError(
                    f"The chain {name!r} moves from state {i} to {j!r}; its states are "
                    f"0 to {card - 1}."
                )
            matrix[i, j] = probability
    return matrix
