import numpy as np
import pytest
from scipy import stats

from probgen.diagnose.metrics import energy_distance, kid, mmd
from probgen.diagnose.metrics.permutation import permuted, unbiased
from probgen.errors import DataError, OptionError
from tests.diagnose.metrics.laws import normal


def biased_kid(x, y):
    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    return kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean()


def test_kid_is_unbiased():
    rows = normal(4000, 0)
    splits = [np.random.default_rng(seed).permutation(4000)[:80] for seed in range(200)]
    found = [float(kid(rows[s[:40]], rows[s[40:]], subsets=1, size=40)) for s in splits]
    error = np.std(found) / 200**0.5
    assert abs(np.mean(found)) < 3 * error
    with_diagonal = [biased_kid(rows[s[:40]], rows[s[40:]]) for s in splits]
    assert abs(np.mean(with_diagonal)) > 3 * error


def test_kid_knows_its_scatter():
    runs = [kid(normal(200, 2 * s), normal(200, 2 * s + 1, mean=0.4)) for s in range(60)]
    scatter = np.std([float(run) for run in runs], ddof=1)
    assert np.mean([run.error for run in runs]) == pytest.approx(scatter, rel=0.3)


def test_one_subset_has_no_error():
    assert kid(normal(50, 0), normal(50, 1), subsets=1, size=50).error is None


def test_mmd_of_two_normals_is_that_of_the_formula():
    """E k of normals is a normal density of their distance, widened by the kernel."""
    width, apart, wide = 1.2, np.array([0.6, -0.2]), 1.4

    def mean_kernel(shift, variance):
        scale = width**2 + variance
        return (width**2 / scale) * np.exp(-(shift**2).sum() / (2 * scale))  # two dimensions

    exact = mean_kernel(0 * apart, 2.0) + mean_kernel(0 * apart, 2 * wide**2)
    exact -= 2 * mean_kernel(apart, 1 + wide**2)
    runs = [
        float(mmd(normal(200, 2 * s, width=2), apart + normal(150, 2 * s + 1, sd=wide, width=2),
                  width=width, permutations=0))
        for s in range(60)
    ]  # fmt: skip
    error = np.std(runs) / 60**0.5
    assert np.mean(runs) == pytest.approx(exact, abs=4 * error)
    assert exact > 10 * error


def test_p_values_are_uniform_for_one_law_and_small_for_two():
    for test in (mmd, energy_distance):
        found = [
            test(normal(30, 2 * s), normal(40, 2 * s + 1), permutations=99, seed=s).p_value
            for s in range(100)
        ]
        assert stats.kstest(found, "uniform").pvalue > 0.01
        assert test(normal(60, 0), normal(60, 1, mean=1.0)).p_value < 0.01


def test_energy_distance_is_that_of_the_line():
    x, y = np.random.default_rng(0).exponential(size=(2, 4000))
    y = y[:3000] + 0.5
    found = float(energy_distance(x[:, None], y[:, None], permutations=0))
    # scipy's holds each row against itself too, which adds about E|x - x'| (1/n + 1/m)
    assert found == pytest.approx(stats.energy_distance(x, y) ** 2, abs=2e-3)


def test_blocks_change_nothing(monkeypatch):
    x, y = normal(30, 0), normal(25, 1, mean=0.3)
    whole = [float(f(x, y)) for f in (kid, mmd, energy_distance)]
    monkeypatch.setattr("probgen.diagnose.metrics.distances._ENTRIES", 100)
    np.testing.assert_allclose([float(f(x, y)) for f in (kid, mmd, energy_distance)], whole)


def test_both_ways_to_sum_a_kernel_agree():
    def kernel(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(axis=-1))

    x, y = normal(30, 0), normal(25, 1, mean=0.3)
    assert permuted(kernel, x, y, 1.0, 0, 0)[0] == pytest.approx(unbiased(kernel, x, y))


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="KID: fake has 10 rows, and 20 are the least"):
        kid(normal(30, 0), normal(10, 1))
    with pytest.raises(OptionError, match="size=40"):
        kid(normal(30, 0), normal(30, 1), size=40)
    with pytest.raises(OptionError, match="width=0"):
        mmd(normal(30, 0), normal(30, 1), width=0)


def test_kid_agrees_with_torchmetrics():
    image = pytest.importorskip("torchmetrics.image.kid")
    import torch

    x, y = (torch.as_tensor(normal(60, i, mean=0.2 * i, width=6)) for i in (1, 2))
    theirs = image.KernelInceptionDistance(torch.nn.Identity(), subsets=1, subset_size=60)
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    ours = float(kid(x, y, subsets=1, size=60))
    assert ours == pytest.approx(float(theirs.compute()[0]), rel=1e-4)
