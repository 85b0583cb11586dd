"""Rows of features of real and generated cases, checked before anything is computed of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from probgen.diagnose.metrics.settings import check_extractor
from probgen.errors import DataError, ProbgenError

__all__ = [
    "Extractor",
    "Features",
    "as_array",
    "both",
    "check_finite",
    "check_least",
    "check_shapes",
    "featured",
    "made_of",
]


class Extractor(Protocol):
    """Turns cases into features. It may also have `probabilities(x)`, (row, class).

    Attributes
    ----------
    name: says what it is, and its settings.
    hash: a digest of its weights, so that scores of different weights are not compared.

    """

    name: str
    hash: str

    def features(self, x: Any) -> Any:
        """Features of cases (row, ...), (row, feature)."""


@dataclass(frozen=True, eq=False)
class Features:
    """Features of cases, (row, feature) in float64, and whose they are."""

    values: np.ndarray
    extractor: str = "values"
    hash: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> Features:
        """Some of the rows."""
        return Features(self.values[rows], self.extractor, self.hash)


def featured(x: Any, extractor: Extractor | None = None, side: str = "x") -> Features:
    """Features of cases; without an extractor their values, flat.

    `side` is what messages call the cases. Raises `DataError` for rows that hold NaN or infinite
    values, for arrays that have no rows, and where the extractor fails.
    """
    check_extractor(extractor)
    if isinstance(x, Features):
        if as_array(x.values, side).ndim != 2 or not isinstance(x.values, np.ndarray):
            shape = np.shape(x.values)
            raise DataError(
                f"{side}: features of shape {shape}; an array (row, feature) is meant."
            )
        check_finite(x.values, side)
        return x
    raw = as_array(x, side)
    check_finite(raw, side)
    if extractor is None:
        return Features(raw.reshape(len(raw), -1).astype(np.float64))
    found = made_of(extractor.features, x if hasattr(x, "detach") else raw, extractor.name, side)
    if len(found) != len(raw) or found.ndim != 2:
        raise DataError(
            f"{side}: the extractor {extractor.name!r} made features of shape "
            f"{tuple(found.shape)} of {len(raw)} cases; (row, feature) was expected."
        )
    check_finite(found, f"{side}: features by {extractor.name!r}")
    return Features(found.astype(np.float64), extractor.name, extractor.hash)


def made_of(function: Callable[[Any], Any], cases: Any, name: str, side: str) -> np.ndarray:
    """What a function of the extractor `name` makes of cases; raises `DataError` if it fails."""
    try:
        made = function(cases)
    except ProbgenError:
        raise
    except Exception as error:
        raise DataError(
            f"{side}: the extractor {name!r} failed on cases of shape {tuple(cases.shape[1:])}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return as_array(made, f"{side}, by {name}")


def both(
    real: Any, fake: Any, extractor: Extractor | None, metric: str, least: int = 2
) -> tuple[Features, Features]:
    """Features of both sides.

    Raises `DataError` where the sides differ in shape or extractor, hold NaN, or have fewer than
    `least` rows.
    """
    if not isinstance(real, Features) and not isinstance(fake, Features):
        check_shapes(real, fake, metric)
    sides = featured(real, extractor, "real"), featured(fake, extractor, "fake")
    if sides[0].hash != sides[1].hash or sides[0].values.shape[1] != sides[1].values.shape[1]:
        told = [f"{s.values.shape[1]} of {s.extractor!r} {s.hash}".strip() for s in sides]
        raise DataError(
            f"{metric}: features of real are {told[0]}, those of fake {told[1]}; take one "
            "extractor for both."
        )
    for side, found in zip(("real", "fake"), sides, strict=True):
        check_least(len(found), least, f"{metric}: {side}")
    return sides


def check_shapes(real: Any, fake: Any, what: str) -> None:
    """Raise `DataError` where a case of real and one of fake differ in shape."""
    one, other = (as_array(x, side).shape[1:] for x, side in ((real, "real"), (fake, "fake")))
    if one != other:
        raise DataError(
            f"{what}: a case of real is of shape {one}, one of fake of {other}; give both in one "
            "shape."
        )


def check_least(rows: int, least: int, what: str) -> None:
    """Raise `DataError` for too few rows."""
    if rows < least:
        raise DataError(f"{what} has {rows} rows, and {least} are the least.")


def as_array(x: Any, side: str) -> np.ndarray:
    """A tensor or an array as an array with rows."""
    try:
        if hasattr(x, "detach"):
            x = x.detach().cpu()
            x = (x.float() if x.is_floating_point() and x.element_size() < 4 else x).numpy()
        found = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths, say
        raise DataError(f"{side}: an array of numbers (row, ...) was expected: {error}") from error
    if found.ndim == 0 or found.dtype.kind not in "fiub":
        told = type(x).__name__ if found.ndim == 0 else f"{type(x).__name__} of {found.dtype}"
        raise DataError(f"{side}: an array of numbers (row, ...) was expected, not {told}.")
    if not found.size:
        raise DataError(f"{side} is empty: its shape is {found.shape}.")
    return found


def check_finite(values: np.ndarray, side: str) -> None:
    """Raise `DataError` naming rows that hold NaN or infinite values."""
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(bad):
        rows = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise DataError(
            f"{side}: {len(bad)} of {len(values)} rows hold NaN or infinite values (row {rows})."
        )
