"""Every metric says in words what is wrong with what it was given, and what could be given."""

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, OptionError
from tests.diagnose.metrics.laws import normal

X, Y = normal(80, 0), normal(80, 1)
OF_TWO = {
    name: getattr(pg.metrics, name)
    for name in (
        "fid", "fid_infinity", "kid", "mmd", "energy_distance", "c2st", "precision_recall",
        "density_coverage", "sliced_wasserstein", "quality",
    )
}  # fmt: skip
SEEDED = [name for name in OF_TWO if name not in ("fid", "precision_recall", "density_coverage")]
every = pytest.mark.parametrize("metric", OF_TWO)


def with_nan():
    found = X.copy()
    found[3, 1] = np.nan
    return found


@every
@pytest.mark.parametrize(
    "wrong",
    [
        with_nan(), np.zeros((0, 4)), None, "abc", np.array([["a"] * 4] * 80), [[1.0, 2.0], [3.0]],
        5.0, X.astype(complex), X[:, :2], X[:1],
    ],
    ids=["nan", "empty", "none", "text", "texts", "ragged", "number", "complex", "columns", "row"],
)  # fmt: skip
def test_wrong_cases_are_named(metric, wrong):
    options = {"metrics": "kid"} if metric == "quality" else {}
    with pytest.raises(DataError, match="real"):
        OF_TWO[metric](wrong, Y, **options)
    with pytest.raises(DataError, match="fake"):
        OF_TWO[metric](X, wrong, **options)


@every
@pytest.mark.parametrize("wrong", ["digits", 5, pg.metrics.RandomFeatures])
def test_what_makes_no_features_is_told_what_does(metric, wrong):
    with pytest.raises(OptionError, match=r"extractor=.*digit_classifier\(\).*RandomFeatures\("):
        OF_TWO[metric](X, Y, wrong)


@pytest.mark.parametrize("wrong", [-1, 1.5, "a", None, True, 2**40])
def test_seeds_are_whole_numbers_from_zero(wrong):
    for metric in SEEDED:
        with pytest.raises(OptionError, match=r"seed=.*integer from 0"):
            OF_TWO[metric](X, Y, seed=wrong)
    for call in (
        lambda: pg.metrics.digit_classifier(wrong),
        lambda: pg.metrics.RandomFeatures(seed=wrong),
        lambda: pg.metrics.floor(X, seed=wrong),
        lambda: pg.metrics.classifier(X, np.arange(80) % 2, seed=wrong),
        lambda: pg.metrics.inception_score(np.full((80, 2), 0.5), seed=wrong),
        lambda: pg.metrics.path_length(lambda z: z, normal(300, 0), seed=wrong),
        lambda: pg.metrics.patch_distances(X, Y, seed=wrong),
        lambda: pg.metrics.draws_of(torch.nn.Identity(), {"x": X}, "x", seed=wrong),
    ):
        with pytest.raises(OptionError, match=r"seed=.*integer from 0"):
            call()


@pytest.mark.parametrize(
    ("metric", "option", "wrong"),
    [
        ("fid", "groups", 1), ("fid", "groups", 2.5), ("fid", "groups", 2**40),
        ("fid_infinity", "parts", 1), ("kid", "size", 81), ("kid", "subsets", 0),
        ("mmd", "width", float("nan")), ("mmd", "permutations", -1), ("c2st", "folds", 81),
        ("c2st", "most", "all"), ("c2st", "estimator", "svm"), ("precision_recall", "k", 0),
        ("sliced_wasserstein", "directions", 1.5), ("quality", "n", 0),
        ("quality", "metrics", ["kid", 5]), ("quality", "metrics", 5), ("quality", "labels", "y"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(metric, option, wrong):
    with pytest.raises(OptionError, match=option):
        OF_TWO[metric](X, Y, **{option: wrong})


def test_an_extractor_that_fails_is_named():
    images = np.zeros((70, 3, 8, 8))  # in three colours, where one is taken
    with pytest.raises(DataError, match=r"random conv.*failed on cases of shape \(3, 8, 8\)"):
        pg.metrics.kid(images, images, pg.metrics.RandomFeatures())
    with pytest.raises(DataError, match="generate failed on latents of shape"):
        pg.metrics.path_length(lambda z: z @ torch.zeros(7, 7), normal(300, 0))
    latents = normal(300, 0)
    latents[5] = np.nan
    with pytest.raises(DataError, match="1 of 300 rows hold NaN"):
        pg.metrics.path_length(lambda z: z, latents)


def test_labels_and_data_by_name():
    with pytest.raises(DataError, match="1 of 80 labels are NaN"):
        pg.metrics.classifier(X, np.r_[np.nan, np.arange(79) % 2])
    with pytest.raises(OptionError, match=r"'digit'.*it has 'x'"):
        pg.metrics.floor({"x": X}, labels="digit")
    with pytest.raises(DataError, match="80 of 'x', 3 of 'y'"):
        pg.metrics.draws_of(torch.nn.Identity(), {"x": X, "y": Y[:3]}, "x")
    with pytest.raises(DataError, match="not nothing"):
        pg.metrics.draws_of(torch.nn.Identity(), {}, "x")
    with pytest.raises(DataError, match="real is empty"):
        pg.metrics.quality({}, Y)
    with pytest.raises(OptionError, match="a function or a class"):
        pg.metrics.quality(X, torch.nn.Identity)


def test_one_metric_may_be_named_alone_and_lists_are_arrays():
    found = pg.metrics.quality(X.tolist(), torch.as_tensor(Y).bfloat16(), metrics="kid")
    assert list(found.scores) == ["kid"]
