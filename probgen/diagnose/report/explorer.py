"""The draws that the page's parameter viewer shows: thinned, in 16 bits, as text.

For every scalar (as many as fit the budget, the worst mixed first) a trace by chain, ranks by
chain (Vehtari et al. 2021) and histograms by chain; the viewer draws one scalar at a time.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgen.diagnose.panels import broken_ties
from probgen.diagnose.report.featured import MOST_CHAINS, can_be_drawn
from probgen.diagnose.report.runs import Run

__all__ = ["explorer_data"]

MOST_POINTS, FEWEST_POINTS = 250, 60
"""Of a trace, per chain."""
RANK_BINS, DENSITY_BINS = 20, 40
MOST_COUNTED = 2000
"""Draws per chain that ranks and histograms count, up to twice as many: ranking costs time."""
LARGEST = 65535
MOST_MARKED = 400
"""Divergent draws marked."""


def explorer_data(run: Run, budget: int) -> dict[str, Any] | None:
    """What the viewer needs of one run, in at most about `budget` bytes; None without draws.

    Arrays are little-endian 16-bit numbers in base64: `trace` (scalar, chain, point) as shares
    of `low`..`high`; `ranks` and `density` (scalar, chain, bin) as counts, of `counted` draws
    per chain.
    """
    record = run.record
    if record is None or not can_be_drawn(record):
        return None
    chains = min(record.chains, MOST_CHAINS)
    chosen, points = _sized(run, chains, budget)
    step = max(1, -(-record.draws // points))
    counted = max(1, record.draws // MOST_COUNTED)
    views = [_view(record.values[i], chains, step, counted) for i in chosen]
    diverging = record.stats.get("diverging")
    marks = np.argwhere(diverging[:chains]) if diverging is not None else np.zeros((0, 2), int)
    marks = marks[:: max(1, -(-len(marks) // MOST_MARKED))]
    return {
        "label": run.label,
        "names": [record.names[i] for i in chosen],
        "positions": [int(i) for i in chosen],
        "left_out": int(record.moving.sum()) - len(chosen),
        "chains": chains,
        "of_chains": record.chains,
        "counted": len(range(0, record.draws, counted)),
        "step": step,
        "low": [float(f"{view.low:.9g}") for view in views],
        "high": [float(f"{view.high:.9g}") for view in views],
        "trace": _packed([view.trace for view in views]),
        "ranks": _packed([view.ranks for view in views]),
        "density": _packed([view.density for view in views]),
        "rank_bins": RANK_BINS,
        "density_bins": DENSITY_BINS,
        "divergent": [[int(chain), int(draw)] for chain, draw in marks],
    }


@dataclass(frozen=True)
class _View:
    """One scalar: its range, and arrays (chain, point or bin)."""

    low: float
    high: float
    trace: np.ndarray
    ranks: np.ndarray
    density: np.ndarray


def _view(draws: np.ndarray, chains: int, step: int, counted: int) -> _View:
    """What is shown of draws (chain, draw): thinned by `step`, and by `counted` in histograms."""
    shown = draws[:chains]
    low, high = float(shown.min()), float(shown.max())
    scale = max(high - low, np.finfo(float).tiny)
    return _View(
        low,
        high,
        np.round((shown[:, ::step] - low) / scale * LARGEST),
        _rank_counts(draws[:, ::counted], chains),
        _counts((shown[:, ::counted] - low) / scale, DENSITY_BINS),
    )


def _sized(run: Run, chains: int, budget: int) -> tuple[np.ndarray, int]:
    """Which scalars, and how many points of each trace, fit the budget."""
    assert run.record is not None
    moving = np.flatnonzero(run.record.moving)
    r_hat = run.verdict.table["r_hat"].to_numpy()[moving]
    ess = run.verdict.table["ess_bulk"].to_numpy()[moving]
    order = np.lexsort((np.nan_to_num(ess, nan=0.0), -np.nan_to_num(r_hat, nan=np.inf)))
    per_point = chains * 2 * 4 / 3
    fixed = (RANK_BINS + DENSITY_BINS) * per_point + 60
    most = max(1, int(budget / (FEWEST_POINTS * per_point + fixed)))
    chosen = np.sort(moving[order[:most]])
    points = int((budget / len(chosen) - fixed) / per_point)
    return chosen, min(max(points, FEWEST_POINTS), MOST_POINTS)


def _rank_counts(draws: np.ndarray, chains: int) -> np.ndarray:
    """Counts of the ranks of each chain's draws (chain, bin) among the draws of all chains."""
    ranks = broken_ties(draws)[:chains] - 1
    return _counts(ranks / max(draws.size - 1, 1), RANK_BINS)


def _counts(share: np.ndarray, bins: int) -> np.ndarray:
    """Histogram of each chain (chain, bin) of numbers between 0 and 1."""
    place = np.minimum((share * bins).astype(np.int64), bins - 1)
    place += bins * np.arange(len(share))[:, None]
    return np.bincount(place.ravel(), minlength=bins * len(share)).reshape(len(share), bins)


def _packed(arrays: list[np.ndarray]) -> str:
    values = np.minimum(np.stack(arrays), LARGEST).astype("<u2")
    return base64.b64encode(values.tobytes()).decode()
