"""From counts of families to conditional tables, and back to a likelihood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probgen.errors import DataError
from probgen.learn.networks.skeleton import Skeleton
from probgen.learn.table import Table

__all__ = [
    "check_complete",
    "conditional",
    "log_or_zero",
    "observed_log_likelihood",
    "unseen_note",
]


def log_or_zero(table: np.ndarray) -> np.ndarray:
    """Logarithm with log 0 = -inf, silently."""
    with np.errstate(divide="ignore"):
        return np.log(table)


def conditional(counts: np.ndarray) -> tuple[np.ndarray, int]:
    """Log conditional table (nats) of the last axis, and how many rows had no counts.

    A configuration of the parents without any count says nothing about the child: it gets the
    uniform distribution.
    """
    totals = counts.sum(axis=-1, keepdims=True)
    empty = totals == 0
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=~empty)
    shares = np.where(empty, 1.0 / counts.shape[-1], shares)
    return log_or_zero(shares), int(empty.sum())


def observed_log_likelihood(
    counts: Sequence[np.ndarray], log_tables: Sequence[np.ndarray]
) -> float:
    """Log likelihood (nats) of complete data from counts over the scopes of the tables."""
    total = 0.0
    for count, table in zip(counts, log_tables, strict=True):
        seen = count > 0
        total += float(count[seen] @ table[seen])
    return total


def check_complete(table: Table, method: str, cure: str) -> None:
    """Refuse data with holes (`DataError` naming the columns and what to use instead)."""
    if table.complete:
        return
    told = ", ".join(
        f"{name!r} ({int(holes)})"
        for name, holes in zip(table.names, table.holes, strict=True)
        if holes
    )
    raise DataError(
        f"{method} needs complete data; values are missing in {told}. Use {cure}, or drop the "
        "rows with missing values."
    )


def unseen_note(skeleton: Skeleton, unseen: Sequence[int]) -> list[str]:
    """What to tell about configurations of parents that never occur."""
    pairs = zip(skeleton.children, unseen, strict=True)
    told = [f"{skeleton.names[v]!r} ({n})" for v, n in pairs if n and v is not None]
    if not told:
        return []
    shown = ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")
    return [
        "Configurations of parents that never occur in the data got uniform distributions, in "
        f"the tables of {shown}; BayesianEstimate() smooths all of them."
    ]
