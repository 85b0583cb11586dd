"""R-hat, ESS, errors and quantiles of many scalars at once are ArviZ's, number by number."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from arviz_stats.base import array_stats

from probgen.diagnose import draw_statistics
from probgen.diagnose.draw_statistics import statistics
from probgen.diagnose.statistics import bfmi

SHAPES = [(5, 4, 400), (4, 1, 333), (5, 3, 5), (3, 2, 4), (4, 64, 20), (3, 4, 101)]


def correlated(shape: tuple[int, int, int], correlation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=shape)
    values = noise.copy()
    for draw in range(1, shape[2]):
        step = np.sqrt(1 - correlation**2) * noise[..., draw]
        values[..., draw] = correlation * values[..., draw - 1] + step
    return values


KINDS: dict[str, Callable[[tuple[int, int, int]], np.ndarray]] = {
    "independent": lambda shape: correlated(shape, 0.0),
    "slow": lambda shape: correlated(shape, 0.98),
    "antithetic": lambda shape: correlated(shape, -0.7),
    "ties": lambda shape: np.round(correlated(shape, 0.6)),
    "chains apart": lambda shape: correlated(shape, 0.3) + 2 * np.arange(shape[1])[:, None],
    "far from zero": lambda shape: 1e6 + correlated(shape, 0.5),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_arviz(shape, kind):
    values = KINDS[kind](shape)
    levels = (0.05, 0.5, 0.9)
    found = statistics(values, np.arange(len(values)), levels)
    flat = values.reshape(len(values), -1)
    expected = {
        "mean": flat.mean(axis=1),
        "sd": flat.std(axis=1, ddof=1),
        "quantiles": np.quantile(flat, levels, axis=1).T,
        "ess_bulk": array_stats.ess(values, method="bulk"),
        "ess_tail": array_stats.ess(values, method="tail", prob=(0.05, 0.95)),
        "mcse_mean": array_stats.mcse(values, method="mean"),
    }
    if shape[1] > 1:
        expected["r_hat"] = array_stats.rhat(values)
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-6, err_msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["independent", "slow", "chains apart", "ties"])
def test_nested_r_hat_is_that_of_arviz(kind):
    values = KINDS[kind]((4, 12, 30))
    ids = np.repeat(np.arange(3), 4)
    found = statistics(values, np.arange(4), (), ids)["r_hat"]
    np.testing.assert_allclose(found, array_stats.rhat_nested(values, ids), rtol=1e-9)


def test_blocks_change_nothing(monkeypatch):
    values = correlated((50, 4, 60), 0.5)
    chosen = np.arange(0, 50, 2)
    whole = statistics(values, chosen, (0.5,))
    monkeypatch.setattr(draw_statistics, "BLOCK_VALUES", 4 * 60 * 3)
    apart = statistics(values, chosen, (0.5,))
    for name, numbers in whole.items():
        np.testing.assert_array_equal(apart[name], numbers)
        assert len(numbers) == 25


def test_nothing_chosen():
    found = statistics(np.empty((0, 4, 10)), np.arange(0), (0.5,))
    assert all(len(numbers) == 0 for numbers in found.values())


def test_a_broken_estimate_would_be_noticed(monkeypatch):
    """Autocorrelations summed without an end are the classic mistake."""
    values = correlated((5, 4, 400), 0.5)
    good = statistics(values, np.arange(5), ())["ess_bulk"]
    monkeypatch.setattr(
        draw_statistics, "autocorrelation_time", lambda rho: -1 + 2 * rho.sum(axis=1)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.abs(statistics(values, np.arange(5), ())["ess_bulk"] / good - 1).max() > 0.2


def test_bfmi_is_that_of_arviz():
    energy = correlated((1, 4, 200), 0.8)[0]
    np.testing.assert_allclose(bfmi(energy), array_stats.bfmi(energy))
