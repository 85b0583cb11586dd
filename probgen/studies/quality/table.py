"""A table of sample-quality metrics, of generated against real cases, and of real against real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgen.diagnose.metrics import Extractor, Score, featured, inception_score
from probgen.diagnose.metrics.features import check_shapes
from probgen.errors import DataError, OptionError
from probgen.nets.extractors import RandomFeatures
from probgen.studies.quality.asked import by_name, checked, labels_of
from probgen.studies.quality.classifier import classifier
from probgen.studies.quality.computed import TOGETHER
from probgen.studies.quality.draws import draws_of, module_of
from probgen.studies.quality.result import Quality

__all__ = ["floor", "quality"]


def quality(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    labels: Any = None,
    metrics: Sequence[str] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Quality:
    """How well generated cases match real ones, in a table.

    Args:
        real: cases (row, ...); or, for a program as `fake`, its data by name, the site to look at
            first.
        fake: cases of the same shape; or a program or its fit, which is drawn from.
        extractor: makes features of cases. None: a classifier trained on `real` and `labels`,
            where these are given; random convolutions for images; else values as they are.
        labels: of real rows, or their name in `real`.
        metrics: a name or names, of `pg.metrics.METRICS`; None: the usual ones that the extractor
            and the number of rows allow.
        n: rows of each side at most, taken at random; as many are drawn of a program.
        seed: of draws, rows and splits.

    Raises `OptionError` for unknown metrics and `DataError` for cases that do not go together.
    """
    wanted = checked(extractor, metrics, n, seed)
    data = by_name(real)
    site, labels = next(iter(data)), labels_of(data, labels)
    made = "fake"
    if (module := module_of(fake)) is not None:
        of = f" at the site {site!r}" if len(data) > 1 else ""
        made = f"draws of {type(module).__name__}{of}"
        fake = draws_of(module, data, site, n or len(data[site]), seed)
    elif callable(fake):
        raise OptionError(
            "fake is a function or a class: give cases, or a program that is a module, or its fit."
        )
    check_shapes(data[site], fake, "quality")
    sides = [_thinned(x, n, seed + i) for i, x in enumerate((data[site], fake))]
    extractor = _chosen(data[site], extractor, labels, seed)
    named = metrics is not None
    return _table(sides[0], sides[1], extractor, wanted, named, f"{made} against real", seed)


def floor(
    real: Any,
    extractor: Extractor | None = None,
    labels: Any = None,
    metrics: Sequence[str] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Quality:
    """What `quality` finds of real against real: two halves of the rows, at random.

    No generator can be expected to do better. Compare at the same number of rows, by `n`, and
    with the same extractor. Arguments and errors as of `quality`.
    """
    wanted = checked(extractor, metrics, n, seed)
    data = by_name(real)
    real, labels = next(iter(data.values())), labels_of(data, labels)
    extractor = _chosen(real, extractor, labels, seed)
    order = np.random.default_rng(seed).permutation(len(real))
    half = len(real) // 2
    if half < 2:
        raise DataError(f"real has {len(real)} rows, too few for two halves.")
    sides = [_taken(real, rows[:n]) for rows in (order[:half], order[half : 2 * half])]
    named, title = metrics is not None, "real against real (halves)"
    return _table(sides[0], sides[1], extractor, wanted, named, title, seed)


def _table(
    real: Any,
    fake: Any,
    extractor: Extractor | None,
    wanted: tuple[str, ...],
    named: bool,
    title: str,
    seed: int,
) -> Quality:
    """`named` says whether the metrics were asked for by name: what cannot be computed raises."""
    sides = featured(real, extractor, "real"), featured(fake, extractor, "fake")
    found: dict[str, Score] = {}
    notes = [f"features: {sides[0].extractor} {sides[0].hash}".rstrip()]
    rows = " and ".join(
        f"{len(x)} {side}" for side, x in zip(("real", "fake"), sides, strict=True)
    )
    notes.append(f"{rows} rows of {sides[0].values.shape[1]} features")
    for names, computed in TOGETHER.items():
        if not set(names) & set(wanted):
            continue
        try:
            found |= computed(*sides, seed)
        except DataError as error:
            if named:
                raise
            notes.append(f"left out: {error}")
    if "inception_score" in wanted and (hasattr(extractor, "probabilities") or named):
        try:
            found["inception_score"] = inception_score(fake, extractor, seed=seed)
        except DataError as error:
            if named:
                raise
            notes.append(f"left out: {error}")
    return Quality({name: found[name] for name in wanted if name in found}, title, tuple(notes))


def _chosen(real: Any, extractor: Extractor | None, labels: Any, seed: int) -> Extractor | None:
    if extractor is not None:
        return extractor
    if labels is not None:
        return classifier(real, labels, seed)
    shape = np.shape(real)
    if len(shape) in (3, 4):
        return RandomFeatures(channels=shape[1] if len(shape) == 4 else 1, seed=seed)
    return None


def _thinned(x: Any, n: int | None, seed: int) -> Any:
    if n is None or len(x) <= n:
        return x
    return _taken(x, np.random.default_rng(seed).permutation(len(x))[:n])


def _taken(x: Any, rows: np.ndarray) -> Any:
    import torch

    return x[torch.as_tensor(rows)] if isinstance(x, torch.Tensor) else np.asarray(x)[rows]
