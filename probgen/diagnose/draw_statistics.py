"""R-hat, ESS and quantiles of many scalars at once: no loop over parameters, memory by blocks.

The definitions are those of Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), with Geyer's
(1992) initial monotone sequence, as in `arviz_stats`, whose numbers come out. Nested R-hat, for
many short chains started in groups, is that of Margossian et al. (2024). What costs is shared: the
ranks serve R-hat and bulk ESS, the chains' spectra are averaged before they are turned back into
autocovariances.

Everything takes draws (parameter, chain, draw) that are finite.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

from probgen.diagnose.ranks import chain_ranks
from probgen.diagnose.run_size import FEWEST_DRAWS

BLOCK_VALUES = 1 << 16  # half a MiB of draws at once: what a core keeps close to itself
TAILS = (0.05, 0.95)
SMALLEST_SPREAD = 1e-15
T = TypeVar("T")


def statistics(
    values: np.ndarray,
    chosen: np.ndarray,
    probabilities: Sequence[float],
    superchains: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Statistics of the scalars in the rows `chosen`, each (chosen,).

    "mean", "sd", "quantiles" (chosen, probability), and of runs of at least `FEWEST_DRAWS` draws
    "mcse_mean", "ess_bulk", "ess_tail" and "r_hat".

    Args:
        values: draws (parameter, chain, draw); those chosen are finite.
        chosen: positions of parameters.
        probabilities: of the quantiles.
        superchains: group of each chain, for nested R-hat; None for plain split R-hat.

    A lone chain is cut in half for R-hat. Work is shared among threads, block by block.

    """
    _, chains, draws = values.shape
    if not len(chosen):
        shaped = _block(np.zeros((1, chains, draws)), probabilities, superchains)
        return {name: numbers[:0] for name, numbers in shaped.items()}
    done = by_block(values, chosen, lambda _, part: _block(part, probabilities, superchains))
    return {name: np.concatenate([part[name] for part in done]) for name in done[0]}


def by_block(
    values: np.ndarray, chosen: np.ndarray, function: Callable[[np.ndarray, np.ndarray], T]
) -> list[T]:
    """`function(positions, draws)` of a few parameters at a time, in threads; results in order.

    About half a MiB of draws is looked at each time, without a copy where parameters are adjacent.
    """

    def look(first: int) -> T:
        rows = chosen[first : first + step]
        neighbours = rows[-1] - rows[0] + 1 == len(rows)
        part = values[rows[0] : rows[-1] + 1] if neighbours else values[rows]
        return function(rows, part)

    step = max(1, BLOCK_VALUES // max(1, values.shape[1] * values.shape[2]))
    places = range(0, len(chosen), step)
    if len(places) < 2:
        return [look(first) for first in places]
    with ThreadPoolExecutor(min(len(places), _cores())) as pool:
        return list(pool.map(look, places))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2


def _block(
    values: np.ndarray, probabilities: Sequence[float], superchains: np.ndarray | None
) -> dict[str, np.ndarray]:
    count, chains, draws = values.shape
    flat = values.reshape(count, -1)
    ordered = np.sort(flat, axis=1)
    with np.errstate(all="ignore"):
        sd = flat.std(axis=1, ddof=1) if chains * draws > 1 else np.full(count, np.nan)
        found = {
            "mean": flat.mean(axis=1),
            "sd": sd,
            "quantiles": sorted_quantiles(ordered, probabilities),
        }
        if draws < FEWEST_DRAWS:
            return found
        parts = split(values)
        scaled = normal_scores(parts)
        tails = [
            effective_size(split(values <= edge[:, None, None]))
            for edge in sorted_quantiles(ordered, TAILS).T
        ]
        return found | {
            "mcse_mean": sd / np.sqrt(effective_size(parts)),
            "ess_bulk": effective_size(scaled),
            "ess_tail": np.minimum(*tails),
            "r_hat": _r_hat(values, parts, scaled, superchains),
        }


def _r_hat(
    values: np.ndarray, parts: np.ndarray, scaled: np.ndarray, superchains: np.ndarray | None
) -> np.ndarray:
    """The larger of the R-hats of ranks and of folded ranks."""
    draws = values.shape[2]
    if superchains is not None:
        groups = np.concatenate([superchains, superchains])
        return np.maximum(
            nested_r_hat(scaled, groups), nested_r_hat(normal_scores(folded(parts)), groups)
        )
    if values.shape[1] == 1:
        half = draws // 2
        if half < FEWEST_DRAWS:
            return np.full(len(values), np.nan)
        parts = split(values[:, :, : 2 * half].reshape(len(values), 2, half))
        scaled = normal_scores(parts)
    return np.maximum(plain_r_hat(scaled), plain_r_hat(normal_scores(folded(parts))))


def split(values: np.ndarray) -> np.ndarray:
    """Chains cut in half, a middle draw left out: (parameter, 2 chains, draw)."""
    half = values.shape[2] // 2
    return np.concatenate([values[:, :, :half], values[:, :, -half:]], axis=1)


def folded(parts: np.ndarray) -> np.ndarray:
    """Distances from each scalar's median."""
    ordered = np.sort(parts.reshape(len(parts), -1), axis=1)
    half = ordered.shape[1] // 2
    median = (ordered[:, half] + ordered[:, -half - 1]) / 2
    return np.abs(parts - median[:, None, None])


def normal_scores(parts: np.ndarray) -> np.ndarray:
    """Normal quantiles of the ranks over all chains (Blom 1958), ties averaged."""
    flat = parts.reshape(len(parts), -1)
    ranks, size = chain_ranks(flat), flat.shape[1]
    # Ranks are whole or half numbers.
    by_rank = ndtri((np.arange(0, 2 * size + 1) / 2 - 0.375) / (size + 0.25))
    return by_rank[(2 * ranks).astype(np.intp)].reshape(parts.shape)


def sorted_quantiles(ordered: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Quantiles of sorted rows by linear interpolation, (row, probability)."""
    place = np.asarray(probabilities) * (ordered.shape[1] - 1)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    low, high, share = ordered[:, below], ordered[:, above], place - below
    # From the nearer end, as numpy rounds it.
    upper = high - (high - low) * (1 - share)
    return np.where(share < 0.5, low + (high - low) * share, upper)


def plain_r_hat(parts: np.ndarray) -> np.ndarray:
    """R-hat (Gelman and Rubin 1992) of chains as they are, (parameter,)."""
    draws = parts.shape[2]
    between = draws * parts.mean(axis=2).var(axis=1, ddof=1)
    within = parts.var(axis=2, ddof=1).mean(axis=1)
    return np.sqrt((between / within + draws - 1) / draws)


def nested_r_hat(parts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """R-hat of superchains: groups of equally many chains, each started at one point.

    Spread of the groups' means against that within groups, both between and within their
    chains (equations 4-8 of Margossian et al. 2024); sensible for chains of one draw.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    means, draws = parts.mean(axis=2), parts.shape[2]
    inside = np.zeros(len(parts))
    for chains in members:
        if len(chains) > 1:
            inside += means[:, chains].var(axis=1, ddof=1)
        if draws > 1:
            inside += parts[:, chains].var(axis=2, ddof=1).mean(axis=1)
    group_means = np.stack([means[:, chains].mean(axis=1) for chains in members], axis=1)
    return np.sqrt(1 + group_means.var(axis=1, ddof=1) / (inside / len(members)))


def effective_size(parts: np.ndarray, between: bool = True) -> np.ndarray:
    """Effective number of draws of chains taken together, (parameter,).

    Without `between` the chains' means are not compared: each chain counts as it mixes by itself.
    """
    count, chains, draws = parts.shape
    size = chains * draws
    parts = np.asarray(parts, dtype=float)
    means = parts.mean(axis=2)
    length = next_fast_len(2 * draws, real=True)
    padded = np.zeros((count, chains, length))
    np.subtract(parts, means[:, :, None], out=padded[:, :, :draws])
    spectra = rfft(padded, axis=2, overwrite_x=True)
    power = (spectra.real**2 + spectra.imag**2).mean(axis=1)
    covariance = irfft(power, n=length, axis=1)[:, :draws] / draws
    within = covariance[:, :1] * draws / (draws - 1)
    total = within * (draws - 1) / draws
    if chains > 1 and between:
        total = total + means.var(axis=1, ddof=1)[:, None]
    correlation = 1 - (within - covariance) / total
    correlation[:, 0] = 1.0
    ess = size / np.maximum(autocorrelation_time(correlation), 1 / np.log10(size))
    ess[parts.max(axis=(1, 2)) - parts.min(axis=(1, 2)) < SMALLEST_SPREAD] = size
    return ess


def autocorrelation_time(correlation: np.ndarray) -> np.ndarray:
    """Geyer's initial monotone estimate from autocorrelations (parameter, lag), (parameter,)."""
    lags = correlation.shape[1]
    most = max(0, -(-(lags - 4) // 2))
    pairs = correlation[:, : 2 * most + 2]
    pairs = pairs[:, ::2] + pairs[:, 1::2]
    # Pairs of lags are summed up to the first that is not positive.
    kept = np.minimum.accumulate(pairs > 0, axis=1).sum(axis=1)
    kept = np.minimum(kept, most)
    falling = np.minimum.accumulate(pairs, axis=1)
    inside = np.arange(pairs.shape[1]) < kept[:, None]
    rows = np.arange(len(pairs))
    last = correlation[rows, 2 * kept]
    last = np.where((last > 0) | (pairs[rows, kept] >= 0), last, 0.0)
    time = -1 + 2 * np.where(inside, falling, 0.0).sum(axis=1) + last
    return np.where(np.isfinite(correlation).all(axis=1), time, np.nan)
