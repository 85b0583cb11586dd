"""What is taken for the truth in a comparison: numbers with their own errors, perhaps draws.

A reference comes from a long run, an exact engine, draws on file (posteriordb) or moments that
are known. Its Monte Carlo error is kept, so that a method is not blamed for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtri

from probgen.errors import DataError
from probgen.inference.graphical.gaussian import GaussianPosterior
from probgen.studies.compare.estimates import (
    PROBABILITIES,
    PROBABILITY,
    STATISTICS,
    Estimates,
    estimates_of,
    read_scalars,
)

__all__ = [
    "MOST_DRAWS",
    "NothingInCommon",
    "Reference",
    "matched",
    "reference_from_gaussian",
    "reference_from_tree",
]

MOST_DRAWS, MOST_JOINT = 2000, 200  # kept of the reference for distances of joint draws


class NothingInCommon(DataError):
    """A reference that knows none of the scalars of a posterior."""


@dataclass(frozen=True)
class Reference(Estimates):
    """Estimates that others are measured by.

    Attributes
    ----------
    title: where they come from, in words.
    by_position: whether scalars are named by position alone (`theta[0]`), whatever labels the
        posterior has.
    draws: (draw, scalar) for the scalars of `drawn`, thinned; None where there are none.
    drawn: names of the columns of `draws`.
    log_evidence, log_evidence_error: nats; NaN where unknown.

    """

    title: str = "reference"
    by_position: bool = False
    draws: np.ndarray | None = None
    drawn: tuple[str, ...] = ()
    log_evidence: float = float("nan")
    log_evidence_error: float = float("nan")

    @property
    def is_of_states(self) -> bool:
        """Whether these are probabilities of the states of a network."""
        return self.statistics == PROBABILITY

    def __repr__(self) -> str:
        what = "states" if self.is_of_states else "scalars"
        return f"Reference({self.title!r}, {len(self.names)} {what})"


def reference_from_tree(tree: xr.DataTree, title: str) -> Reference:
    """A result, of probgen or any other library, as a reference; DataError without draws."""
    found = estimates_of(tree)
    draws: np.ndarray | None = None
    drawn: tuple[str, ...] = ()
    if found.statistics != PROBABILITY:
        scalars = read_scalars(tree, MOST_JOINT)
        flat = scalars.values.reshape(len(scalars.names), -1).T
        draws = thinned(flat[np.isfinite(flat).all(axis=1)], MOST_DRAWS)
        drawn = scalars.names
    attrs = tree.attrs
    exact = not attrs.get("log_evidence_is")  # a word there says what it is instead
    return Reference(
        found.names,
        found.places,
        found.statistics,
        found.values,
        found.errors,
        title=title,
        draws=draws,
        drawn=drawn,
        log_evidence=_number(attrs.get("log_evidence")) if exact else float("nan"),
        log_evidence_error=_number(attrs.get("log_evidence_error", 0.0)),
    )


def reference_from_gaussian(posterior: GaussianPosterior, seed: int) -> Reference:
    """A posterior in closed form: moments and quantiles without error, and independent draws."""
    mean, sd = posterior.mean, posterior.standard_deviations
    values = np.column_stack([mean, sd, mean[:, None] + sd[:, None] * ndtri(PROBABILITIES)])
    names = tuple(posterior.labels())
    return Reference(
        *(names, names, STATISTICS, values, np.zeros_like(values)),
        title="exact",
        draws=posterior.draw(1, MOST_DRAWS, seed)[0, :, :MOST_JOINT],
        drawn=names[:MOST_JOINT],
        log_evidence=posterior.log_evidence,
        log_evidence_error=0.0,
    )


def thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """So many rows at most, evenly chosen."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def matched(found: Estimates, reference: Reference) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the estimates and of the reference that are of the same scalar.

    `NothingInCommon` when there is no such scalar; its message shows names of both.
    """
    where = {name: row for row, name in reversed([*enumerate(reference.names)])}
    names = found.places if reference.by_position else found.names
    pairs = [(row, where[name]) for row, name in enumerate(names) if name in where]
    if not pairs or found.statistics != reference.statistics:
        raise NothingInCommon(
            f"The reference ({reference.title}) has none of the posterior's scalars: it names "
            f"{_some(reference.names)}; the posterior has {_some(names)}."
        )
    ours, theirs = np.array(pairs).T
    return ours, theirs


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
