"""What the ranks of one scalar say: tests, coverage, z-scores, contraction, and shape in words.

z-score: (posterior mean - truth) / posterior sd; contraction: 1 - posterior variance / variance
of the truths (Schad, Betancourt & Vasishth 2021, "Toward a principled Bayesian workflow").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from probgen.studies.ecdf import p_value

__all__ = ["INTERVALS", "Scalar", "coverage_of", "holm", "statistics_of"]

INTERVALS = (0.5, 0.8, 0.9, 0.95)
FEWEST_PER_BIN = 8
CLEAR = 2.0  # standard errors from which a shape is put into words


@dataclass(frozen=True)
class Scalar:
    """Everything known of one scalar quantity: arrays over the replications that have it."""

    name: str
    ranks: np.ndarray
    truth: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def statistics_of(scalars: list[Scalar], largest: int) -> pd.DataFrame:
    """One row per scalar; `largest` is the number of draws that the truth was ranked among.

    Columns: replications; p_ecdf (simultaneous ECDF test) and p_chi2, each for this scalar
    alone; p_adjusted, the smaller of both after Holm's correction over all tests; z_mean and
    z_sd; contraction; shape in words.
    """
    rows = [_row(scalar, largest) for scalar in scalars]
    names = pd.Index([scalar.name for scalar in scalars], name="quantity")
    table = pd.DataFrame(rows, index=names)
    if len(table):
        both = table[["p_ecdf", "p_chi2"]].to_numpy()
        adjusted = holm(both.ravel()).reshape(both.shape).min(axis=1)
        table.insert(3, "p_adjusted", adjusted)
    return table


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values after the correction of Holm (1979) for looking at all of them."""
    count = len(p_values)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * (count - np.arange(count)))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def coverage_of(scalar: Scalar, largest: int) -> list[dict[str, float]]:
    """How often central intervals held the truth, for each of `INTERVALS`.

    `nominal` is the exact probability of the ranks that make up the interval, `coverage` the
    share of replications, `error` the binomial standard error under the nominal one, and `z` how
    many of those they are apart.
    """
    rows = []
    for interval in INTERVALS:
        outside = round((1 - interval) * (largest + 1) / 2)  # ranks cut off at either end
        nominal = 1 - 2 * outside / (largest + 1)
        inside = (scalar.ranks >= outside) & (scalar.ranks <= largest - outside)
        count = len(scalar.ranks)
        error = np.sqrt(nominal * (1 - nominal) / count) if count else np.nan
        coverage = float(inside.mean()) if count else np.nan
        z = (coverage - nominal) / error if error > 0 else 0.0
        rows.append({"interval": interval, "nominal": nominal, "coverage": coverage,
                     "error": float(error), "z": float(z)})  # fmt: skip
    return rows


def bins_for(count: int, largest: int) -> int:
    """The most equal bins of ranks with enough replications in each; at least 2 or 1."""
    ranks = largest + 1
    fits = [b for b in range(1, ranks + 1) if ranks % b == 0 and count >= FEWEST_PER_BIN * b]
    return max(fits, default=1)


def _row(scalar: Scalar, largest: int) -> dict[str, float | str]:
    count = len(scalar.ranks)
    with np.errstate(all="ignore"):
        z = (scalar.mean - scalar.truth) / scalar.sd
        contraction = 1 - scalar.sd**2 / scalar.truth.var()
    z, contraction = z[np.isfinite(z)], contraction[np.isfinite(contraction)]
    return {
        "replications": count,
        "p_ecdf": p_value(scalar.ranks, largest),
        "p_chi2": _chi_square(scalar.ranks, largest),
        "z_mean": float(z.mean()) if len(z) else np.nan,
        "z_sd": float(z.std()) if len(z) else np.nan,
        "contraction": float(np.median(contraction)) if len(contraction) else np.nan,
        "shape": _shape(scalar.ranks, largest),
    }


def _chi_square(ranks: np.ndarray, largest: int) -> float:
    """P-value of equal counts in equal bins."""
    bins = bins_for(len(ranks), largest)
    if bins < 2:
        return 1.0
    counts = np.bincount(ranks * bins // (largest + 1), minlength=bins)
    expected = len(ranks) / bins
    return float(chdtrc(bins - 1, ((counts - expected) ** 2 / expected).sum()))


def _shape(ranks: np.ndarray, largest: int) -> str:
    """The most marked deviation in words; empty where there is none."""
    if not len(ranks):
        return ""
    u = (ranks + 0.5) / (largest + 1)
    shift = (u.mean() - 0.5) * np.sqrt(12 * len(u))
    spread = (((u - 0.5) ** 2).mean() - 1 / 12) * np.sqrt(180 * len(u))
    if max(abs(shift), abs(spread)) < CLEAR:
        return ""
    if abs(shift) > abs(spread):
        return "draws lie too low" if shift > 0 else "draws lie too high"
    return "posterior too narrow" if spread > 0 else "posterior too wide"
