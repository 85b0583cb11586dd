"""Which states of a Markov chain lead to which: classes, periods, absorption, hitting times."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import splu

from probgen.declare.networks.transition import TransitionModel
from probgen.errors import DataError

__all__ = [
    "CommunicatingClass",
    "absorbing_states",
    "absorption_probabilities",
    "classes",
    "hitting_times",
    "period",
]


@dataclass(frozen=True, eq=False)
class CommunicatingClass:
    """States that lead to each other.

    `members` are their positions, `states` their names; `closed` when the chain cannot leave;
    `period` is the greatest common divisor of the lengths of all ways back (0 when there is
    none: a transient state that is left for good).
    """

    members: np.ndarray
    states: tuple[Hashable, ...]
    closed: bool
    period: int

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.states[:6])) + (" ..." if len(self.states) > 6 else "")
        kind = "closed" if self.closed else "transient"
        return f"CommunicatingClass({{{shown}}}, {kind}, period {self.period})"


def classes(model: TransitionModel) -> list[CommunicatingClass]:
    """The communicating classes of a chain, in the order of their first states."""
    graph = model.csr
    count, labels = connected_components(graph, directed=True, connection="strong")
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(labels, minlength=count))[:-1])
    rows = np.repeat(np.arange(model.size), np.diff(graph.indptr))
    leaves = labels[rows] != labels[graph.indices]
    open_labels = set(labels[rows[leaves]].tolist())
    found = [
        CommunicatingClass(
            members=each,
            states=tuple(model.names[k] for k in each),
            closed=label not in open_labels,
            period=_period(graph[each][:, each]),
        )
        for label, each in enumerate(members)
    ]
    return sorted(found, key=lambda each: int(each.members[0]))


def period(model: TransitionModel) -> int:
    """The period of the recurrent part: least common multiple over the closed classes."""
    return int(np.lcm.reduce([each.period for each in classes(model) if each.closed]))


def absorbing_states(model: TransitionModel) -> tuple[Hashable, ...]:
    """The states that are never left."""
    return tuple(
        each.states[0] for each in classes(model) if each.closed and len(each.states) == 1
    )


def absorption_probabilities(model: TransitionModel) -> np.ndarray:
    """Probability of ending in each closed class from each state, (k, closed classes).

    Columns are in the order in which `classes` lists the closed ones (Kemeny & Snell 1960).
    """
    closed = [each.members for each in classes(model) if each.closed]
    result = np.zeros((model.size, len(closed)))
    for column, members in enumerate(closed):
        result[members, column] = 1.0
    transient = np.setdiff1d(np.arange(model.size), np.concatenate(closed))
    if transient.size:
        leaving = model.csr[transient] @ result
        result[transient] = _solve_within(model, transient, leaving)
    return result


def hitting_times(model: TransitionModel, targets: Hashable | Iterable[Hashable]) -> np.ndarray:
    """Expected number of steps until a target is first reached, from each state (k,).

    `targets` is one state or several. It is 0 at the targets and infinite where the chain may
    never come to them. Raises `DataError` for unknown states.
    """
    if isinstance(targets, str) or (isinstance(targets, Hashable) and targets in model.position):
        named: list[Hashable] = [targets]
    else:
        named = list(targets) if isinstance(targets, Iterable) else [targets]
    if not named:
        raise DataError("hitting_times needs at least one target.")
    goal = np.array([model.index(state) for state in named])
    # Without the ways on from the targets: where can the chain come to them, where get lost?
    keep = np.ones(model.size)
    keep[goal] = 0.0
    ways = sparse.csr_array(sparse.diags_array(keep) @ model.csr)
    ways.eliminate_zeros()
    reaching = _leading_to(ways, goal)
    lost = _leading_to(ways, np.flatnonzero(~reaching))
    times = np.where(lost, np.inf, 0.0)
    certain = np.setdiff1d(np.flatnonzero(~lost), goal)
    if certain.size:
        times[certain] = _solve_within(model, certain, np.ones(certain.size))
    return times


def _leading_to(ways: sparse.csr_array, goal: np.ndarray) -> np.ndarray:
    """Which states lead to one of `goal` (those themselves included)."""
    size = ways.shape[0]
    found = np.zeros(size, dtype=bool)
    if not goal.size:
        return found
    # A further node with an edge to every goal in the reversed graph starts the search.
    ends = sparse.coo_array(
        (np.ones(goal.size), (np.full(goal.size, size), goal)), shape=(size + 1, size + 1)
    )
    back = ways.T.tocoo()
    back = sparse.coo_array((back.data, (back.row, back.col)), shape=(size + 1, size + 1))
    order = breadth_first_order((back + ends).tocsr(), size, return_predecessors=False)
    found[order[order < size]] = True
    return found


def _solve_within(model: TransitionModel, among: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(I - Q)^-1 right, where Q are the transitions among some transient states."""
    inner = model.csr[among][:, among]
    system = sparse.eye_array(among.size, format="csc") - inner.tocsc()
    return np.asarray(splu(system.tocsc()).solve(np.asarray(right, dtype=np.float64)))


def _period(graph: sparse.csr_array) -> int:
    """Greatest common divisor of all cycles of a strongly connected graph, 0 without any."""
    order, before = breadth_first_order(graph, 0)
    depth = np.zeros(graph.shape[0], dtype=np.int64)
    for node in order[1:]:
        depth[node] = depth[before[node]] + 1
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    return int(np.gcd.reduce(depth[rows] + 1 - depth[graph.indices])) if len(rows) else 0
