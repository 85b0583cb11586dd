"""What a metric hands back: a number that says how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from probgen.diagnose.metrics.features import Features

__all__ = ["Better", "Score", "score"]

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Score:
    """A metric's value. Two of them compare only where extractor, hash, rows and settings agree.

    Attributes
    ----------
    metric: its name.
    value: the number.
    better: which way lies better, "lower" or "higher".
    error: its uncertainty, of the kind that `error_of` names; None where none was computed.
    p_value: of the hypothesis that both laws are one; None for metrics that test nothing.
    extractor, hash: whose features these are, and a digest of its weights; "values" for data
        that were compared as they are.
    real, fake: rows of the two sides; 0 for a side that the metric does not look at.
    width: features of a row.
    dtype: in which the metric was computed.
    settings: of the metric.

    """

    metric: str
    value: float
    better: Better
    error: float | None = None
    error_of: str = ""
    p_value: float | None = None
    extractor: str = "values"
    hash: str = ""
    real: int = 0
    fake: int = 0
    width: int = 0
    dtype: str = "float64"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        told = f"{self.metric} {self.value:.4g}"
        if self.error is not None:
            told += f" ± {self.error:.2g} ({self.error_of})"
        if self.p_value is not None:
            told += f", p {self.p_value:.2g}"
        sides = [f"{n} {side}" for n, side in ((self.real, "real"), (self.fake, "fake")) if n]
        of = f"{self.extractor} {self.hash}".strip()
        told += f"; {self.better} is better; {' and '.join(sides)} rows of {self.width}"
        told += f" features ({of}), {self.dtype}"
        return told + "".join(f", {name}={value}" for name, value in self.settings.items())


def score(
    metric: str,
    value: float,
    better: Better,
    real: Features | None,
    fake: Features | None,
    settings: Mapping[str, Any] | None = None,
    *,
    error: tuple[float, str] | None = None,
    p_value: float | None = None,
) -> Score:
    """A score of features; `error` is the number and what it is."""
    one = fake if real is None else real
    assert one is not None
    return Score(
        metric,
        float(value),
        better,
        error=None if error is None else float(error[0]),
        error_of="" if error is None else error[1],
        p_value=p_value,
        extractor=one.extractor,
        hash=one.hash,
        real=0 if real is None else len(real.values),
        fake=0 if fake is None else len(fake.values),
        width=one.values.shape[1],
        settings=dict(settings or {}),
    )
