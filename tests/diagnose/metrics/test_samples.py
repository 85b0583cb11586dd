"""C2ST, sliced Wasserstein, Inception score, mode count, Parzen."""

import numpy as np
import pytest
import torch
from scipy import stats

from probgen.diagnose.metrics import (
    c2st,
    density_coverage,
    inception_score,
    kid,
    mode_count,
    parzen,
    precision_recall,
    sliced_wasserstein,
)
from probgen.diagnose.metrics.path_length import path_length
from probgen.errors import DataError, OptionError
from tests.diagnose.metrics.laws import CENTRES, SD, normal, ring


def test_a_classifier_guesses_on_one_law_and_knows_two():
    same = [c2st(normal(200, 2 * s), normal(200, 2 * s + 1), seed=s) for s in range(3)]
    assert np.mean([float(s) for s in same]) == pytest.approx(0.5, abs=0.05)
    assert min(s.p_value for s in same) > 1e-3
    far = c2st(normal(200, 0), normal(200, 1, mean=3.0))
    assert float(far) > 0.97
    assert far.p_value < 1e-10


def test_rows_it_was_trained_on_would_tell():
    """Without held-out rows a neighbour classifier is right about everything."""
    from sklearn.neighbors import KNeighborsClassifier

    nearest = KNeighborsClassifier(1)
    x, y = normal(200, 0), normal(200, 1)
    assert float(c2st(x, y, estimator=nearest)) == pytest.approx(0.5, abs=0.08)
    rows, sides = np.concatenate([x, y]), np.repeat([0, 1], 200)
    assert nearest.fit(rows, sides).score(rows, sides) == 1.0


def test_a_test_in_correlations_only_is_seen():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 2))
    y = rng.standard_normal((300, 1)) @ np.ones((1, 2))
    assert float(c2st(x, y)) > 0.7


def test_sliced_distances_are_those_of_the_line():
    x, y = normal(300, 0, width=1), normal(200, 1, mean=1.0, width=1)
    exact = stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert float(sliced_wasserstein(x, y)) == pytest.approx(exact, rel=0.02)


def test_a_shift_is_seen_along_directions():
    x = normal(400, 0, width=3)
    # the mean of |u_1| over directions of three dimensions is one half
    found = sliced_wasserstein(x, x + np.array([2.0, 0, 0]), directions=4000)
    assert float(found) == pytest.approx(1.0, abs=4 * found.error)


def sure(classes, rows, of=10):
    """Probabilities that are nearly one, of some of the classes in turn."""
    p = np.full((rows, of), 1e-6)
    p[np.arange(rows), np.arange(rows) % classes] = 1.0
    return p / p.sum(axis=1, keepdims=True)


def test_the_inception_score_counts_sure_classes():
    assert float(inception_score(sure(10, 1000))) == pytest.approx(10, rel=0.05)
    assert float(inception_score(sure(4, 1000))) == pytest.approx(4, rel=0.05)
    assert float(inception_score(np.full((200, 10), 0.1))) == pytest.approx(1)


def test_the_inception_score_agrees_with_torchmetrics():
    image = pytest.importorskip("torchmetrics.image.inception")
    logits = torch.as_tensor(normal(200, 0, width=5, sd=2.0))
    theirs = image.InceptionScore(torch.nn.Identity(), splits=1)
    theirs.update(logits)
    ours = float(inception_score(logits.softmax(dim=1), splits=1))
    assert ours == pytest.approx(float(theirs.compute()[0]), rel=1e-5)


def test_what_is_no_probability_is_refused():
    with pytest.raises(DataError, match="sum to one"):
        inception_score(normal(200, 0))
    with pytest.raises(DataError, match="10 splits: fake has 50 rows, and 100 are the least"):
        inception_score(sure(10, 50))


def test_modes_are_counted():
    whole = mode_count(ring(800, 0), CENTRES, SD)
    assert float(whole.modes) == 8
    assert float(whole.high_quality) == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert float(mode_count(ring(800, 1, modes=3), CENTRES, SD).modes) == 3
    assert float(mode_count(ring(800, 2, sd=0.3), CENTRES, SD).high_quality) < 0.5
    nowhere = mode_count(np.zeros((200, 2)), CENTRES, SD)
    assert (float(nowhere.modes), float(nowhere.high_quality)) == (0, 0)


def test_near_is_within_three_standard_deviations():
    at = np.concatenate([[[3 * SD - 1e-6, 0.0], [3 * SD + 1e-6, 0.0]], np.full((18, 2), 9.0)])
    found = mode_count(at, np.zeros((1, 2)), SD)
    assert float(found.high_quality) == pytest.approx(1 / 20)
    assert float(mode_count(at, np.zeros((1, 2)), SD, least=2).modes) == 0


def test_the_inception_score_is_the_mean_of_ten_parts():
    p = np.random.default_rng(0).dirichlet(np.full(4, 0.3), size=205)
    parts = np.array_split(np.random.default_rng(7).permutation(205), 10)
    each = [np.exp((p[i] * np.log(p[i] / p[i].mean(0))).sum(1).mean()) for i in parts]
    found = inception_score(p, seed=7)
    assert float(found) == pytest.approx(np.mean(each))
    assert found.error == pytest.approx(np.std(each, ddof=1))
    assert np.mean(each) != pytest.approx(float(inception_score(p, splits=1)), rel=1e-3)


def test_settings_are_those_of_the_papers():
    found = precision_recall(normal(60, 0), normal(60, 1))
    assert found.precision.settings["k"] == found.recall.settings["k"] == 3
    assert density_coverage(normal(60, 0), normal(60, 1)).coverage.settings["k"] == 5
    length = path_length(lambda z: z, torch.randn(200, 3))
    assert length.settings["path"] == "slerp"
    assert length.settings["epsilon"] == 1e-4
    assert length.settings["crop"] == (1.0, 99.0)
    assert kid(normal(4100, 0), normal(4100, 1), subsets=4).settings["size"] == 1000


def test_too_few_rows_for_the_modes_are_refused():
    with pytest.raises(DataError, match="10 rows for 8 modes; 160 are the least"):
        mode_count(ring(10, 0), CENTRES, SD)
    with pytest.raises(OptionError, match="sd=0"):
        mode_count(ring(200, 0), CENTRES, 0)


def test_parzen_is_the_density_of_a_mixture_and_says_that_it_is_a_relic():
    x, y = normal(40, 0, width=2), normal(30, 1, width=2)
    kernels = stats.norm(scale=0.5).pdf(x[:, None] - y[None]).prod(axis=-1)
    found = parzen(x, y, width=0.5)
    assert float(found) == pytest.approx(np.log(kernels.mean(axis=1)).mean())
    assert "relic" in found.metric
