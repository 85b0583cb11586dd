"""What a result says of a posterior: numbers with their Monte Carlo errors, one row a scalar.

Of draws: mean, standard deviation and quantiles of every scalar. Of discrete networks: the
probability of every state. The error of a standard deviation follows by the delta method from
that of the mean of the squared deviations, which have an effective sample size of their own;
those of means and quantiles are those of Vehtari et al. (2021), as in ArviZ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from scipy.special import betaincinv

from probgen.diagnose.draw_statistics import by_block, effective_size, sorted_quantiles, split
from probgen.diagnose.network_record import has_marginals

__all__ = [
    "PROBABILITIES",
    "PROBABILITY",
    "STATISTICS",
    "Estimates",
    "Scalars",
    "estimates_of",
    "estimates_of_scalars",
    "is_independent",
    "read_scalars",
]

STATISTICS = ("mean", "sd", "5%", "50%", "95%")
PROBABILITY = ("probability",)
PROBABILITIES = (0.05, 0.5, 0.95)
_ONE_SIGMA = (0.15865525393145707, 0.8413447460685429)
MOST_SCALARS = 2000  # with five Monte Carlo errors each; large sites are thinned
_FEWEST_DRAWS = 4  # of a chain, for a Monte Carlo error


@dataclass(frozen=True)
class Estimates:
    """Values and their standard errors, both (scalar, statistic); NaN where unknown.

    Attributes
    ----------
    names: scalars as `theta[Choate]`, or states as `variable=state`.
    places: the same scalars by position from 0, as `theta[3]`.
    statistics: `STATISTICS`, or `PROBABILITY` for networks.

    """

    names: tuple[str, ...]
    places: tuple[str, ...]
    statistics: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class Scalars:
    """Draws by scalar: values (scalar, chain, draw), names, and names by position."""

    names: tuple[str, ...]
    places: tuple[str, ...]
    values: np.ndarray
    remarks: tuple[str, ...] = field(default=())


def estimates_of(tree: xr.DataTree) -> Estimates:
    """Estimates of a result of any library; DataError when it holds no posterior."""
    if has_marginals(tree):
        return _of_marginals(tree)
    return estimates_of_scalars(read_scalars(tree), is_independent(tree))


def is_independent(tree: xr.DataTree) -> bool:
    """Whether draws are independent of each other: those of approximations and exact engines."""
    return bool(tree.attrs.get("approximation")) or tree.attrs.get("method") == "Exact"


def read_scalars(tree: xr.DataTree, most: int = MOST_SCALARS) -> Scalars:
    """Finite scalars of the posterior; very large sites thinned evenly."""
    from probgen.diagnose.record import as_datatree, with_sample_dims
    from probgen.diagnose.scalars import scalar_blocks

    posterior = with_sample_dims(as_datatree(tree)["posterior"].to_dataset())
    remarks: list[str] = []
    blocks = list(scalar_blocks(posterior, most, remarks))
    unlabelled = posterior.drop_vars([n for n in posterior.coords if n not in ("chain", "draw")])
    places = [name for block in scalar_blocks(unlabelled, most, []) for name in block.names]
    return Scalars(
        tuple(name for block in blocks for name in block.names),
        tuple(places),
        np.concatenate([block.values for block in blocks]) if blocks else np.empty((0, 1, 1)),
        tuple(remarks),
    )


def estimates_of_scalars(scalars: Scalars, independent: bool = False) -> Estimates:
    """Estimates from draws; `independent` ones need no estimate of their correlation."""
    values = scalars.values
    count, _, draws = values.shape
    flat = values.reshape(count, -1)
    with np.errstate(all="ignore"):
        mean, sd = flat.mean(axis=1), flat.std(axis=1, ddof=1 if flat.shape[1] > 1 else 0)
        found = np.column_stack([mean, sd, np.quantile(flat, PROBABILITIES, axis=1).T])
        if draws == 1 and not sd.any():  # a point: it has no Monte Carlo error
            errors = np.zeros_like(found)
        elif draws < _FEWEST_DRAWS:
            errors = np.full_like(found, np.nan)
        elif independent:
            errors = _independent_errors(flat, mean, sd)
        else:
            errors = _chain_errors(values)
    return Estimates(scalars.names, scalars.places, STATISTICS, found, errors)


def _chain_errors(values: np.ndarray) -> np.ndarray:
    """Monte Carlo errors of correlated draws (scalar, chain, draw); NaN of constant scalars."""
    errors = np.full((len(values), len(STATISTICS)), np.nan)
    moving = np.isfinite(values).all(axis=(1, 2)) & (np.ptp(values, axis=(1, 2)) > 0)
    with np.errstate(all="ignore"):  # stuck chains divide 0 by 0
        parts = by_block(values, np.flatnonzero(moving), lambda _, block: _block_errors(block))
    if parts:
        errors[moving] = np.concatenate(parts)
    return errors


def _block_errors(values: np.ndarray) -> np.ndarray:
    """Errors of some scalars at once, (scalar, statistic)."""
    flat = values.reshape(len(values), -1)
    sd, squares = flat.std(axis=1, ddof=1), (values - flat.mean(axis=1)[:, None, None]) ** 2
    of_squares = squares.reshape(len(values), -1).std(axis=1, ddof=1)
    columns = [
        sd / np.sqrt(effective_size(split(values))),
        of_squares / np.sqrt(effective_size(split(squares))) / (2.0 * sd),
    ]
    ordered, size = np.sort(flat, axis=1), flat.shape[1]
    rows = np.arange(len(values))
    for p, edge in zip(PROBABILITIES, sorted_quantiles(ordered, PROBABILITIES).T, strict=True):
        ess = effective_size(split((values <= edge[:, None, None]).astype(float)))
        ends = [betaincinv(ess * p + 1, ess * (1 - p) + 1, share) * size for share in _ONE_SIGMA]
        low = np.clip(np.nan_to_num(np.floor(ends[0])), 0, size - 1).astype(int)
        high = np.clip(np.nan_to_num(np.ceil(ends[1])), 0, size - 1).astype(int)
        error = (ordered[rows, high] - ordered[rows, low]) / 2.0
        columns.append(np.where(np.isfinite(ess), error, np.nan))
    return np.column_stack(columns)


def _independent_errors(flat: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Standard errors of independent draws (scalar, draw); quantiles by order statistics."""
    count = flat.shape[1]
    fourth = ((flat - mean[:, None]) ** 4).mean(axis=1)
    columns = [sd / count**0.5, np.sqrt(np.maximum(fourth - sd**4, 0.0) / count) / (2.0 * sd)]
    for p in PROBABILITIES:
        spread = (p * (1 - p) / count) ** 0.5
        ends = np.clip([p - spread, p + spread], 0.0, 1.0)
        columns.append(np.diff(np.quantile(flat, ends, axis=1), axis=0)[0] / 2.0)
    return np.column_stack(columns)


def _of_marginals(tree: xr.DataTree) -> Estimates:
    group = tree["marginals"].to_dataset()
    names = tuple(
        f"{v}={s}" for v, s in zip(group["variable"].values, group["state"].values, strict=True)
    )
    values = group["probability"].values.astype(float)
    errors = group["mcse"].values.astype(float) if "mcse" in group else np.zeros(len(values))
    return Estimates(names, names, PROBABILITY, values[:, None], errors[:, None])
