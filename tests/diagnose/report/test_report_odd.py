"""Odd draws and data: a page without a picture that failed, and numbers that are right."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from report_runs import regression

from probgen.diagnose.report import predictive, prior, report
from probgen.diagnose.report.runs import read_runs


def predicted(y, draws, wanted=2):
    """The predictive checks of one site, as they go to arviz-plots."""
    tree = regression()
    tree["observed_data"] = xr.Dataset({"y": ("row", np.asarray(y))})
    tree["posterior_predictive"] = xr.Dataset({"y": (("chain", "draw", "row"), draws)})
    (run,) = read_runs({"run": tree})
    found = predictive._checks(run, "y", "p")
    assert [bool(picture.svg) for picture in found] == [True] * wanted, found
    return predictive._thinned(run, "y")


def test_counts_kept_as_floats_are_counts():
    rng = np.random.default_rng(0)
    tree = predicted(rng.poisson(3, 30).astype(float), rng.poisson(3, (4, 200, 30)).astype(float))
    assert {group["y"].dtype.kind for group in tree.children.values()} == {"i"}
    tree = predicted(rng.normal(size=30), rng.normal(size=(4, 200, 30)))
    assert {group["y"].dtype.kind for group in tree.children.values()} == {"f"}


def test_missing_observations_are_left_out_of_predictive_checks():
    rng = np.random.default_rng(0)
    y, draws = rng.normal(size=30), rng.normal(size=(4, 200, 30))
    y[[3, 9]] = np.nan
    tree = predicted(y, draws)
    kept = [i for i in range(30) if i not in (3, 9)]
    np.testing.assert_array_equal(tree["observed_data"]["y"], y[kept])
    assert tree["posterior_predictive"]["y"].shape[2] == 28
    np.testing.assert_array_equal(
        tree["posterior_predictive"]["y"].values[0, 0], draws[0, 0, kept]
    )


def test_one_observation_has_a_distribution_and_no_calibration():
    rng = np.random.default_rng(0)
    predicted([0.3], rng.normal(size=(4, 200, 1)), wanted=1)


@pytest.mark.parametrize("draws", [1, 3])
def test_too_few_draws_have_a_sentence_in_place_of_pictures(tmp_path, draws):
    values = np.random.default_rng(0).random((4, draws))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"mu": (("chain", "draw"), values)})})
    text = report(tree, tmp_path / "r.html").read_text()
    assert "per chain are too few" in text
    assert "could not be drawn" not in text


def test_a_site_without_a_name_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"": (("chain", "draw"), rng.normal(size=(4, 100)))})}
    )
    text = report(tree, tmp_path / "r.html").read_text()
    assert "could not be drawn" not in text
    assert "&#34;&#34;" in text


def test_a_wide_prior_leaves_the_posterior_to_be_seen():
    rng = np.random.default_rng(0)
    wide, posterior = rng.standard_cauchy(2000) * 5, rng.normal(size=500)
    near = prior._near(wide, posterior)
    assert 30 < near.size < 2000
    assert np.abs(near).max() < 5 * np.ptp(posterior)
    far = rng.normal(1e6, 1.0, 500)
    np.testing.assert_array_equal(prior._near(far, posterior), far)
