"""Programs of continuous networks: one site per node, and a plate over the rows of the data.

A node without data is latent, in every row by itself; a node with data is observed. What the
distribution of a node is comes from the network (`continuous`, `functional`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch

from probgen.declare.network import distinct_labels
from probgen.declare.networks.unknown_names import unknown_node
from probgen.errors import DataError

__all__ = ["Node", "row_data", "row_program"]

ROWS = "row"


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a continuous network: its name, its site, and its conditional distribution.

    `conditional(values, shared)` turns the values of the nodes before it, by name, and what the
    rows share into a Pyro distribution, or a tensor for a node that is a function of its parents.
    """

    name: Hashable
    label: str
    conditional: Callable[[Mapping[Hashable, torch.Tensor], Mapping[str, torch.Tensor]], Any]


def row_program(
    title: str,
    nodes: Sequence[Node],
    draw_shared: Callable[[], Mapping[str, torch.Tensor]] = dict,
) -> Callable[..., dict[str, torch.Tensor]]:
    """A Pyro program that samples `nodes` in order; data go in by label.

    Data are numbers, or arrays whose first axis is the rows: then all nodes are inside a plate
    named "row", and those without data are latent per row. `draw_shared` samples before the
    plate what all rows have in common.
    """
    labels = [node.label for node in nodes]
    plate = distinct_labels([*labels, ROWS])[-1]

    def program(**data: Any) -> dict[str, torch.Tensor]:
        given = row_data(title, {label: label for label in labels}, data)
        counts = {len(value) for value in given.values() if value.dim()}
        shared = draw_shared()
        values: dict[Hashable, torch.Tensor] = {}
        with pyro.plate(plate, counts.pop()) if counts else contextlib.nullcontext():
            for node in nodes:
                values[node.name] = _sample(node, values, shared, given.get(node.label))
        return {node.label: values[node.name] for node in nodes}

    program.__name__ = program.__qualname__ = title
    program.__doc__ = f"{title}: a network of {len(nodes)} continuous nodes as a Pyro program."
    return program


def _sample(
    node: Node,
    values: Mapping[Hashable, torch.Tensor],
    shared: Mapping[str, torch.Tensor],
    given: torch.Tensor | None,
) -> torch.Tensor:
    try:
        made = node.conditional(values, shared)
    except Exception as error:
        error.add_note(f"in the distribution of the node {node.name!r}")
        raise
    if isinstance(made, torch.Tensor):
        if given is not None:
            raise DataError(
                f"The node {node.name!r} is a function of its parents (standard deviation 0), so "
                "data for it leave no density; condition the exact Gaussian instead, or give "
                "it a small standard deviation."
            )
        return pyro.deterministic(node.label, made, event_dim=0)
    return pyro.sample(node.label, made, obs=given)


def row_data(
    title: str, labels: Mapping[Hashable, str], data: Mapping[Any, Any] | None
) -> dict[str, torch.Tensor]:
    """Data by node name as float64 tensors by label: numbers, or arrays with equally many rows.

    A number beside arrays holds in every row; None leaves a node latent. Raises `DataError` for
    an unknown node, text, missing values, or lengths that differ.
    """
    given: dict[str, torch.Tensor] = {}
    for name, value in ({} if data is None else data).items():
        if name not in labels:
            raise DataError(unknown_node(title, name, labels))
        if value is not None:
            given[labels[name]] = _numbers(name, value)
    lengths = {label: len(value) for label, value in given.items() if value.dim()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{label} has {rows}" for label, rows in lengths.items())
        raise DataError(f"Data must have equally many rows: {told}.")
    if not lengths:
        return given
    rows = next(iter(lengths.values()))
    return {label: value if value.dim() else value.expand(rows) for label, value in given.items()}


def _numbers(name: Hashable, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        tensor = value.to(torch.float64)
    else:
        try:
            tensor = torch.from_numpy(np.array(value, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(f"Data for {name!r} are no numbers: {error}.") from error
    if bool(torch.isnan(tensor).any()):
        raise DataError(
            f"Data for {name!r} hold missing values (NaN). Leave the whole node out to make it "
            "latent, or drop those rows."
        )
    return tensor
