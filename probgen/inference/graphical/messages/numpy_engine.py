"""Message passing in numpy, for machines without a compiler: flooding, in the log domain.

Factors of equal shape are updated together. The schedules that go factor after factor need
native code.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.messages.graph import MessageGraph, impossible, segments

__all__ = ["NumpyMessages"]

_FORBIDDEN = -1e30


@dataclass(frozen=True)
class NumpyMessages:
    """The operations of belief propagation on the arrays of a `MessageGraph`."""

    engine: str = "numpy"

    def run(
        self,
        graph: MessageGraph,
        messages: np.ndarray,
        *,
        maximum: bool,
        schedule: str,
        damping: float,
        first: int,
        sweeps: int,
        tolerance: float,
    ) -> np.ndarray:
        """As `NativeMessages.run`, flooding whatever the `schedule`."""
        groups, residuals = shape_groups(graph), []
        for _ in range(sweeps):
            incoming = variable_messages(graph, messages)
            fresh = np.empty_like(messages)
            for group in groups:
                group.send(incoming, fresh, maximum)
            fresh = scaled(graph, fresh)
            moved = np.abs(np.exp(messages) - np.exp(fresh))
            residuals.append(float(moved.max(initial=0.0)))
            messages[:] = damping * messages + (1 - damping) * fresh if damping else fresh
            if residuals[-1] < tolerance:
                break
        return np.array(residuals)

    def beliefs(
        self, graph: MessageGraph, messages: np.ndarray, *, with_factors: bool
    ) -> tuple[np.ndarray, np.ndarray | None, float]:
        """As `NativeMessages.beliefs`."""
        edges, n = graph.scopes, len(graph.cards)
        logs = np.empty(graph.table_offsets[-1])
        incoming = variable_messages(graph, messages)
        for group in shape_groups(graph):
            logs[group.entries] = group.joint(incoming).reshape(group.entries.shape)
        heads = edges[graph.scope_offsets[:-1]]
        variables, log_variables = _normalised(
            graph, variable_beliefs(graph, messages), graph.state_offsets, np.arange(n)
        )
        factors, log_factors = _normalised(graph, logs, graph.table_offsets, heads)
        _, log_edges = _normalised(graph, messages + incoming, graph.message_offsets, edges)
        total = log_variables.sum() + log_factors.sum() - log_edges.sum() + graph.log_scale
        return variables, factors if with_factors else None, float(total)

    def decode(self, graph: MessageGraph, messages: np.ndarray) -> np.ndarray:
        """As `NativeMessages.decode`."""
        order, _ = graph.breadth_first
        incoming = variable_messages(graph, messages)
        states = np.full(len(graph.cards), -1, dtype=np.int32)
        for v in order:
            score = np.zeros(graph.cards[v])
            for edge in _edges_of(graph, v):
                score += _message_given(graph, incoming, edge, states)
            states[v] = int(score.argmax())
        return states

    def improve(self, graph: MessageGraph, states: np.ndarray, sweeps: int) -> np.ndarray:
        """As `NativeMessages.improve`."""
        states = np.array(states, dtype=np.int32)
        for _ in range(sweeps):
            before = states.copy()
            for v in range(len(states)):
                score = np.zeros(graph.cards[v])
                for edge in _edges_of(graph, v):
                    f = graph.edge_factors[edge]
                    scope = graph.factors.scopes[f]
                    index = tuple(slice(None) if u == v else states[u] for u in scope)
                    score += np.maximum(graph.factors.log_tables[f][index], _FORBIDDEN)
                if score.max() > score[states[v]]:
                    states[v] = int(score.argmax())
            if (states == before).all():
                break
        return states


@dataclass(frozen=True)
class ShapeGroup:
    """Factors of one shape: log tables (G, *shape), where those stand in the flat tables, and
    of each axis where its messages stand (G, states)."""

    tables: np.ndarray
    entries: np.ndarray
    places: list[np.ndarray]

    def spread(self, incoming: np.ndarray, axis: int) -> np.ndarray:
        """The messages along an axis, shaped to be added to the tables."""
        messages = incoming[self.places[axis]]
        rank = len(self.places)
        shape = (len(messages), *(messages.shape[1] if a == axis else 1 for a in range(rank)))
        return messages.reshape(shape)

    def joint(self, incoming: np.ndarray) -> np.ndarray:
        """Log beliefs, not normalised."""
        total = self.tables.copy()
        for axis in range(len(self.places)):
            total += self.spread(incoming, axis)
        return total

    def send(self, incoming: np.ndarray, outgoing: np.ndarray, maximum: bool) -> None:
        """Write the messages of all factors, not scaled, to `outgoing`."""
        rank = len(self.places)
        for axis in range(rank):
            total = self.tables.copy()
            for other in range(rank):
                if other != axis:
                    total += self.spread(incoming, other)
            away = tuple(1 + other for other in range(rank) if other != axis)
            outgoing[self.places[axis]] = _reduce(total, away, maximum)


def _reduce(logs: np.ndarray, axes: tuple[int, ...], maximum: bool) -> np.ndarray:
    top = logs.max(axis=axes, keepdims=True)
    if maximum:
        return np.asarray(top.squeeze(axes))
    steady = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(logs - steady).sum(axis=axes))
    return np.asarray(total + steady.squeeze(axes))


def shape_groups(graph: MessageGraph) -> list[ShapeGroup]:
    """The factors, gathered by the shape of their tables."""
    members: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for f, table in enumerate(graph.factors.log_tables):
        members[table.shape].append(f)
    groups = []
    for shape, factors in members.items():
        entries = graph.table_offsets[factors][:, None] + np.arange(int(np.prod(shape)))
        edges = graph.scope_offsets[factors]
        places = [
            graph.message_offsets[edges + axis][:, None] + np.arange(states)
            for axis, states in enumerate(shape)
        ]
        tables = graph.log_tables[entries].reshape(len(factors), *shape)
        groups.append(ShapeGroup(tables, entries, places))
    return groups


def variable_beliefs(graph: MessageGraph, messages: np.ndarray) -> np.ndarray:
    """Log beliefs of the variables, not normalised."""
    size = int(graph.state_offsets[-1])
    return np.bincount(graph.message_variables, weights=messages, minlength=size)


def variable_messages(graph: MessageGraph, messages: np.ndarray) -> np.ndarray:
    """What each variable tells each factor: all messages to it but the factor's own."""
    beliefs = variable_beliefs(graph, messages)[graph.message_variables]
    # A zero along the edge itself may stay: the factor has no mass there either.
    return scaled(graph, beliefs - np.where(messages == -np.inf, 0.0, messages))


def scaled(graph: MessageGraph, messages: np.ndarray) -> np.ndarray:
    """Messages with 0 as their largest number; raises `EvidenceError` if one is all zero."""
    tops = segments(np.maximum, messages, graph.message_offsets)
    if (tops == -np.inf).any():
        raise impossible(graph.factors, int(graph.scopes[np.argmin(tops)]))
    return messages - np.repeat(tops, np.diff(graph.message_offsets))


def _normalised(
    graph: MessageGraph, logs: np.ndarray, offsets: np.ndarray, variables: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """exp(logs), summing to one in each segment, and the log of each segment's sum.

    `variables` says whom an error names when a segment is zero throughout.
    """
    sizes = np.diff(offsets)
    tops = segments(np.maximum, logs, offsets)
    if (tops == -np.inf).any():
        raise impossible(graph.factors, int(variables[np.argmin(tops)]))
    weights = np.exp(logs - np.repeat(tops, sizes))
    sums = segments(np.add, weights, offsets)
    return weights / np.repeat(sums, sizes), tops + np.log(sums)


def _edges_of(graph: MessageGraph, variable: int) -> np.ndarray:
    return graph.variable_edges[graph.edge_offsets[variable] : graph.edge_offsets[variable + 1]]


def _message_given(
    graph: MessageGraph, incoming: np.ndarray, edge: int, states: np.ndarray
) -> np.ndarray:
    """The max-product message along `edge` with the variables that have a state held there."""
    f = graph.edge_factors[edge]
    place = edge - graph.scope_offsets[f]
    total = graph.factors.log_tables[f].copy()
    for axis, u in enumerate(graph.factors.scopes[f]):
        if axis == place:
            continue
        at = graph.message_offsets[graph.scope_offsets[f] + axis]
        message = incoming[at : at + graph.cards[u]]
        if states[u] >= 0:
            message = np.where(np.arange(graph.cards[u]) == states[u], 0.0, -np.inf)
        total += message.reshape([-1 if a == axis else 1 for a in range(total.ndim)])
    away = tuple(axis for axis in range(total.ndim) if axis != place)
    return np.asarray(total.max(axis=away))
