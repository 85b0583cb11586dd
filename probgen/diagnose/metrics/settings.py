"""Checks of what metrics are asked for, before anything is computed."""

from __future__ import annotations

import math
import numbers
from typing import Any

from probgen.errors import OptionError

__all__ = ["check_extractor", "check_positive", "check_seed", "check_whole"]

_SEEDS = 2**32  # as many as all generators take


def check_seed(seed: Any) -> None:
    """Raise `OptionError` unless a seed is an integer from 0 to 2^32 - 1."""
    if not _is_whole(seed) or not 0 <= seed < _SEEDS:
        raise OptionError(f"seed={seed!r}: it must be an integer from 0 to {_SEEDS - 1}.")


def check_whole(least: int, /, **given: Any) -> None:
    """Raise `OptionError` for a setting that is no integer of at least `least`."""
    for name, value in given.items():
        if not _is_whole(value) or value < least:
            raise OptionError(f"{name}={value!r}: it must be an integer of at least {least}.")


def check_positive(**given: Any) -> None:
    """Raise `OptionError` for a setting that is no positive number."""
    for name, value in given.items():
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            raise OptionError(f"{name}={value!r}: it must be a positive number.")


def check_extractor(extractor: Any) -> None:
    """Raise `OptionError` for what makes no features; None takes values as they are."""
    made = not isinstance(extractor, type) and callable(getattr(extractor, "features", None))
    if extractor is None or (made and hasattr(extractor, "name") and hasattr(extractor, "hash")):
        return
    raise OptionError(
        f"extractor={extractor!r}: it must make features of cases. Give "
        "pg.metrics.digit_classifier() for 8x8 digits, pg.metrics.classifier(x, labels), "
        "pg.metrics.RandomFeatures(...), pg.metrics.Inception(weights), a value of your own with "
        "features(x), name and hash, or None for the values as they are."
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
