"""Messages over a junction tree with numpy, in the log domain: the twin of the C++."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.elimination.plan import EliminationPlan
from probgen.inference.graphical.native.counter_random import uniforms
from probgen.targets.factors import Factors

__all__ = ["NumpyTree", "collect", "log_sum", "marginalise", "view_tables"]


@dataclass(frozen=True, eq=False)
class NumpyTree:
    """Calibrated tables; the same questions as `NativeTree`."""

    plan: EliminationPlan
    factors: Factors
    tables: np.ndarray
    log_z: float
    domain: str = "log"

    @staticmethod
    def calibrate(plan: EliminationPlan, factors: Factors) -> NumpyTree:
        """Pass messages to the roots and back."""
        flat = np.empty(int(plan.packed[4]))
        tables = view_tables(plan, flat)
        messages, log_z = collect(plan, factors, tables)
        if log_z > -np.inf:
            _distribute(plan, tables, messages)
            np.exp(flat, out=flat)
        return NumpyTree(plan, factors, flat, log_z)

    def marginals(self, offsets: np.ndarray) -> np.ndarray:
        """Probabilities of all variables' states, those of variable v from `offsets[v]`."""
        tables = view_tables(self.plan, self.tables)
        out = np.empty(int(offsets[-1]))
        for k, clique in enumerate(self.plan.cliques):
            for v in clique[self.plan.separators[k] :]:
                out[offsets[v] : offsets[v + 1]] = marginalise(tables[k], clique, (int(v),))
        return out

    def factor_marginals(self) -> np.ndarray:
        """Posteriors over all factors' scopes, flat, at `factors.flat.table_offsets`."""
        tables, cliques = view_tables(self.plan, self.tables), self.plan.cliques
        parts = [
            marginalise(tables[home], cliques[home], scope).ravel()
            for home, scope in zip(self.plan.homes, self.factors.scopes, strict=True)
        ]
        return np.concatenate([*parts, np.zeros(0)])

    def draw(self, first: int, count: int, key: int) -> np.ndarray:
        """Joint draws number first, first + 1, ... of the stream `key`: (count, n)."""
        cards, cliques = self.plan.cards, self.plan.cliques
        kind = np.uint8 if cards.max(initial=0) <= 256 else np.uint16
        states = np.zeros((count, len(cards)), dtype=kind)
        for k in reversed(range(len(cliques))):
            shared = int(self.plan.separators[k])
            above, own = cliques[k][:shared], cliques[k][shared:]
            if not len(own):
                continue
            start, stop = self.plan.table_offsets[k : k + 2]
            rows = self.tables[start:stop].reshape(int(cards[above].prod()), -1)
            row = np.zeros(count, dtype=np.int64)
            for v in above:
                row = row * cards[v] + states[:, v]
            sums = np.cumsum(rows, axis=1)[row]
            target = uniforms(key, k, np.arange(first, first + count)) * sums[:, -1]
            pick = np.minimum((sums <= target[:, None]).sum(1), rows.shape[1] - 1)
            states[:, own] = np.stack(np.unravel_index(pick, cards[own]), axis=1)
        return states


def view_tables(plan: EliminationPlan, flat: np.ndarray) -> list[np.ndarray]:
    """One array of all clique tables as a table per clique."""
    return [
        flat[start:stop].reshape(plan.cards[clique])
        for clique, start, stop in zip(
            plan.cliques, plan.table_offsets[:-1], plan.table_offsets[1:], strict=True
        )
    ]


def marginalise(table: np.ndarray, axes: np.ndarray, scope: Sequence[int]) -> np.ndarray:
    """The sum of `table` over all of its axes but those of `scope`, in the order of `scope`."""
    left = [int(v) for v in axes if int(v) in scope]
    away = tuple(a for a, v in enumerate(axes) if int(v) not in scope)
    return table.sum(axis=away).transpose([left.index(v) for v in scope])


def collect(
    plan: EliminationPlan, factors: Factors, tables: list[np.ndarray], maximise: int = 0
) -> tuple[list[np.ndarray], float]:
    """Fill `tables` with log potentials and pass messages to the roots.

    The last `maximise` variables of the order are maximised over, all others summed. Returns
    each clique's message to its parent and the total (nats).
    """
    for table in tables:
        table[...] = 0.0
    for scope, log_table, home in zip(factors.scopes, factors.log_tables, plan.homes, strict=True):
        tables[home] += _align(log_table, scope, plan.cliques[home])
    messages, total = [], factors.log_constant
    place = np.empty(len(plan.order), dtype=np.int64)
    place[plan.order] = np.arange(len(plan.order))
    summed = len(plan.order) - maximise
    for k, table in enumerate(tables):
        clique, separator = plan.cliques[k], int(plan.separators[k])
        kept = separator + int((place[clique[separator:]] >= summed).sum())
        message = log_sum(table, kept)
        if kept > separator:
            message = message.reshape((*message.shape[:separator], -1)).max(-1)
        messages.append(message)
        parent = int(plan.parents[k])
        if parent < 0:
            total += float(message)
        else:
            tables[parent] += _align(message, clique[:separator].tolist(), plan.cliques[parent])
    return messages, float(total)


def log_sum(table: np.ndarray, kept: int) -> np.ndarray:
    """Log of the sum of exp over all axes but the first `kept`."""
    return _log_sum_axes(table, tuple(range(kept, table.ndim)))


def _distribute(
    plan: EliminationPlan, tables: list[np.ndarray], messages: list[np.ndarray]
) -> None:
    for k in reversed(range(len(tables))):
        parent, table = int(plan.parents[k]), tables[k]
        if parent < 0:
            table -= messages[k]
            continue
        separator = plan.cliques[k][: plan.separators[k]]
        away = tuple(a for a, v in enumerate(plan.cliques[parent]) if v not in separator)
        arriving = _log_sum_axes(tables[parent], away)
        with np.errstate(invalid="ignore"):
            ratio = arriving - messages[k]
        ratio[np.isnan(ratio)] = -np.inf
        table += ratio.reshape(ratio.shape + (1,) * (table.ndim - ratio.ndim))


def _align(table: np.ndarray, scope: Sequence[int], clique: np.ndarray) -> np.ndarray:
    """`table` over `scope` with its axes put where `clique` has them, others of length one."""
    axes = {v: a for a, v in enumerate(scope)}
    inside = [int(v) for v in clique if int(v) in axes]
    ordered = table.transpose([axes[v] for v in inside])
    return ordered.reshape([table.shape[axes[v]] if v in axes else 1 for v in map(int, clique)])


def _log_sum_axes(table: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    top = table.max(axis=axes, keepdims=True)
    top = np.where(top == -np.inf, 0.0, top)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(table - top).sum(axis=axes)) + top.squeeze(axes)
