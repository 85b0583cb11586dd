import numpy as np
import pytest
from scipy import linalg

from probgen.diagnose.metrics import fid, fid_infinity
from probgen.diagnose.metrics.frechet import frechet_distance
from probgen.errors import DataError, OptionError
from tests.diagnose.metrics.laws import normal


def closed_form(m, s, n, t):
    root = linalg.sqrtm(linalg.sqrtm(s) @ t @ linalg.sqrtm(s)).real
    return ((m - n) ** 2).sum() + np.trace(s + t - 2 * root)


def two_gaussians(rows, seed):
    rng = np.random.default_rng(seed)
    a, b = np.eye(4) + 0.3 * rng.standard_normal((2, 4, 4))
    m, n = rng.standard_normal((2, 4))
    x, y = (z + rng.standard_normal((rows, 4)) @ f.T for z, f in ((m, a), (n, b)))
    return x, y, closed_form(m, a @ a.T, n, b @ b.T)


def test_a_sample_is_at_zero_from_itself():
    x = normal(500, 0, width=20)
    assert abs(float(fid(x, x))) < 1e-6
    flat = np.concatenate([x, x[:, :3] + x[:, 3:6], np.zeros((500, 2))], axis=1)
    assert abs(float(fid(1e3 * flat, 1e3 * flat))) < 1e-6  # a singular covariance


def test_gaussians_are_at_the_closed_form():
    x, y, exact = two_gaussians(200_000, 1)
    assert float(fid(x, y, groups=0)) == pytest.approx(exact, rel=0.01)
    assert float(fid(x, y * 1.1, groups=0)) != pytest.approx(exact, rel=0.01)


def test_it_falls_like_one_over_the_rows_and_the_extrapolation_does_not():
    found = {}
    for rows in (100, 400):
        pairs = [
            (normal(rows, 2 * i, width=5), normal(rows, 2 * i + 1, width=5)) for i in range(40)
        ]
        found[rows] = [float(fid(x, y, groups=0)) for x, y in pairs]
        infinite = np.array([float(fid_infinity(x, y, groups=0)) for x, y in pairs])
        assert abs(infinite.mean()) < 3 * infinite.std() / 40**0.5 + 0.01 * np.mean(found[rows])
        assert infinite.mean() < 0.2 * np.mean(found[rows])
    assert np.mean(found[100]) / np.mean(found[400]) == pytest.approx(4, rel=0.25)


def test_splitting_fakes_alone_leaves_the_bias_of_the_real_side():
    pairs = [(normal(200, 2 * i), normal(200, 2 * i + 1)) for i in range(40)]
    of_fake = np.mean([float(fid_infinity(x, y, sides="fake", groups=0)) for x, y in pairs])
    whole = np.mean([float(fid(x, y, groups=0)) for x, y in pairs])
    assert 0.3 * whole < of_fake < 0.7 * whole


def test_the_jackknife_knows_the_scatter():
    runs = []
    for seed in range(60):
        x, y = normal(300, 2 * seed), normal(300, 2 * seed + 1, mean=0.5, sd=1.3)
        runs.append(fid(x, y))
    scatter = np.std([float(run) for run in runs], ddof=1)
    assert np.mean([run.error for run in runs]) == pytest.approx(scatter, rel=0.3)


def test_more_features_than_rows_are_refused_with_the_rank():
    with pytest.raises(DataError, match=r"real has 10 rows of 20 features.*rank 9.*KID"):
        fid(normal(10, 0, width=20), normal(50, 1, width=20))
    with pytest.raises(DataError, match="80 are the least"):
        fid_infinity(normal(60, 0, width=20), normal(90, 1, width=20))
    with pytest.raises(OptionError, match="parts=1"):
        fid_infinity(normal(60, 0), normal(60, 1), parts=1)


def test_distances_agree_with_torchmetrics():
    image = pytest.importorskip("torchmetrics.image.fid")
    import torch

    class Values(torch.nn.Module):
        num_features = 6

        def forward(self, x):
            return x

    x, y = (torch.as_tensor(normal(300, i, mean=0.1 * i, width=6)) for i in (1, 2))
    theirs = image.FrechetInceptionDistance(feature=Values(), normalize=False).set_dtype(
        torch.float64
    )
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    ours = frechet_distance(x.numpy(), y.numpy())
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-6)
