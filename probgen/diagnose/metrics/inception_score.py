"""Inception score: a classifier is sure of every case, and finds all classes among them.

exp(E_x KL(p(y|x) || p(y))), between 1 and the number of classes (Salimans et al. 2016). It does
not look at real data, so a generator that repeats one good case of each class gets the best.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.diagnose.metrics.features import (
    Features,
    as_array,
    check_finite,
    check_least,
    made_of,
)
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_extractor, check_seed, check_whole
from probgen.errors import DataError, OptionError

__all__ = ["inception_score"]


def inception_score(fake: Any, classifier: Any = None, splits: int = 10, seed: int = 0) -> Score:
    """Mean of the score over parts of the rows; the error is their standard deviation, as usual.

    Args:
        fake: cases (row, ...), or without a classifier probabilities of classes, (row, class).
        classifier: an extractor with `probabilities(x)`.
        splits: how many parts.
        seed: of which row falls into which.

    Raises `DataError` where a part has fewer rows than there are classes.
    """
    check_seed(seed)
    check_whole(1, splits=splits)
    check_extractor(classifier)
    if classifier is None:
        found, name, hash_ = as_array(fake, "fake"), "given probabilities", ""
    elif not hasattr(classifier, "probabilities"):
        raise OptionError(f"{classifier.name!r} makes features only; a classifier is needed.")
    else:
        name, hash_ = classifier.name, classifier.hash
        raw = as_array(fake, "fake")
        check_finite(raw, "fake")
        cases = fake if hasattr(fake, "detach") else raw
        found = made_of(classifier.probabilities, cases, name, "fake")
    check_finite(found, "fake: probabilities")
    p = found.astype(np.float64)
    if p.ndim != 2 or (p < 0).any() or not np.allclose(p.sum(axis=1), 1.0, atol=1e-4):
        raise DataError(
            "fake: probabilities (row, class) that sum to one were expected; give a classifier "
            "with cases."
        )
    classes = p.shape[1]
    check_least(len(p), splits * classes, f"Inception score, {splits} splits: fake")
    order = np.random.default_rng(seed).permutation(len(p))
    parts = [_of_part(p[rows]) for rows in np.array_split(order, splits)]
    error = (float(np.std(parts, ddof=1)), f"sd of {splits} splits") if splits > 1 else None
    settings = {"splits": splits, "classes": classes, "seed": seed}
    rows = Features(p, name, hash_)
    return score(
        "Inception score", float(np.mean(parts)), "higher", None, rows, settings, error=error
    )


def _of_part(p: np.ndarray) -> float:
    logs = np.log(np.maximum(p, 1e-300))
    mean = p.mean(axis=0)
    divergence = (p * (logs - np.log(np.maximum(mean, 1e-300)))).sum(axis=1)
    return float(np.exp(divergence.mean()))
