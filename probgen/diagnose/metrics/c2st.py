"""Classifier two-sample test: can a classifier tell generated from real rows it has not seen?

Source: Lopez-Paz and Oquab (2017). Its accuracy is one half where the two laws are one, and near
one where they lie apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from probgen.diagnose.metrics.features import Extractor, both
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_seed, check_whole
from probgen.errors import OptionError

__all__ = ["c2st"]

_HIDDEN, _DECAY = 64, 1e-2


def c2st(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    folds: int = 5,
    most: int = 2000,
    estimator: Any = None,
    seed: int = 0,
) -> Score:
    """Cross-validated accuracy of telling fake from real rows, with a p-value.

    Args:
        real, fake, extractor: as of `fid`; few rows will do. Both sides are cut to
            one number of rows.
        folds: of the cross-validation.
        most: rows of a side, taken at random where there are more.
        estimator: a scikit-learn classifier; None is a network with one hidden layer of 64, on
            standardised features.
        seed: of rows, folds and network.

    The p-value is the binomial one of that many right answers by guessing; folds share training
    rows, so it is close, not exact. Raises `DataError` for fewer than 50 rows.
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedKFold

    check_seed(seed)
    check_whole(2, folds=folds)
    check_whole(50, most=most)
    _check_estimator(estimator)
    x, y = both(real, fake, extractor, "C2ST", least=50)
    rng, count = np.random.default_rng(seed), min(len(x), len(y), most)
    if folds > count:
        raise OptionError(f"folds={folds}: no more than the {count} rows of a side.")
    x, y = (side.take(rng.permutation(len(side))[:count]) for side in (x, y))
    rows = np.concatenate([x.values, y.values])
    is_fake = np.repeat([0, 1], count)
    right = 0
    kept = _network(seed) if estimator is None else estimator
    deal = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, test in deal.split(rows, is_fake):
        fitted = clone(kept).fit(rows[train], is_fake[train])
        right += int((fitted.predict(rows[test]) == is_fake[test]).sum())
    accuracy = right / len(rows)
    error = ((accuracy * (1 - accuracy) / len(rows)) ** 0.5, "binomial s.e.")
    p = float(stats.binom.sf(right - 1, len(rows), 0.5))
    name = "network" if estimator is None else type(estimator).__name__
    settings = {"classifier": name, "folds": folds, "seed": seed}
    return score("C2ST", accuracy, "lower", x, y, settings, error=error, p_value=p)


def _check_estimator(estimator: Any) -> None:
    able = all(callable(getattr(estimator, name, None)) for name in ("fit", "predict"))
    if estimator is not None and (isinstance(estimator, type) or not able):
        raise OptionError(
            f"estimator={estimator!r}: a scikit-learn classifier, such as LogisticRegression()."
        )


def _network(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier(
        (_HIDDEN,), alpha=_DECAY, early_stopping=True, n_iter_no_change=10, random_state=seed
    )
    return make_pipeline(StandardScaler(), network)
