"""What the table of metrics was asked for, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from probgen.diagnose.metrics.features import as_array
from probgen.diagnose.metrics.settings import check_extractor, check_seed, check_whole
from probgen.errors import DataError, OptionError
from probgen.studies.quality.computed import METRICS

__all__ = ["USUAL", "by_name", "checked", "labels_of", "named_metrics"]

USUAL = ("fid", "kid", "precision", "recall", "density", "coverage", "c2st", "inception_score")


def checked(extractor: Any, metrics: Any, n: Any, seed: Any) -> tuple[str, ...]:
    """The names of the metrics; raises `OptionError` for what cannot be used."""
    check_seed(seed)
    check_extractor(extractor)
    if n is not None:
        check_whole(1, n=n)
    return named_metrics(metrics, USUAL)


def named_metrics(metrics: Any, usual: tuple[str, ...]) -> tuple[str, ...]:
    """A name or names of metrics, None for the usual ones; raises `OptionError` for others."""
    wanted = usual if metrics is None else (metrics,) if isinstance(metrics, str) else metrics
    if not isinstance(wanted, Iterable):
        raise OptionError(f"metrics={metrics!r}: names of pg.metrics.METRICS were expected.")
    wanted = tuple(wanted)
    if unknown := [n for n in wanted if not isinstance(n, str) or n not in METRICS]:
        raise OptionError(f"metrics: {unknown[0]!r} is none of {', '.join(METRICS)}.")
    return wanted


def by_name(real: Any) -> Mapping[str, Any]:
    """Real data by name, in their order, the first of which are rows."""
    data = dict(real) if isinstance(real, Mapping) else {"x": real}
    if not data:
        raise DataError(
            "real is empty: the data by name were expected, the site to look at first."
        )
    as_array(next(iter(data.values())), "real")
    return data


def labels_of(data: Mapping[str, Any], labels: Any) -> Any:
    """Labels, or those of that name in the data."""
    if not isinstance(labels, str):
        return labels
    if labels not in data:
        known = ", ".join(map(repr, data))
        raise OptionError(f"labels={labels!r}: real has no data of that name; it has {known}.")
    return data[labels]
