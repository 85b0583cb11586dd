"""The verdict as a whole: good runs, the summary table, odd trees, and the limits."""

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from arviz_base import from_dict
from synthetic_runs import DRAWS, good_stats, normal, tree_of

import probgen.diagnose
from probgen.diagnose import diagnose
from probgen.errors import DataError, OptionError


def checks_of(verdict) -> set[str]:
    return {finding.check for finding in verdict.findings}


def test_good_chains_are_ok():
    verdict = diagnose(tree_of({"mu": normal(1), "theta": normal(2, 50)}))
    assert verdict.ok
    assert verdict.trustworthy
    assert not verdict.findings
    assert "Trustworthy: no check found a problem." in str(verdict)
    assert "51 scalars of 2 sites, 4 chains x 1000 draws" in str(verdict)


def test_the_package_can_be_called_like_the_function():
    tree = tree_of({"mu": normal(1)})
    assert probgen.diagnose(tree).ok == diagnose(tree).ok


def test_table_agrees_with_numpy_and_arviz():
    theta = 3 + 2 * normal(3, 5)
    tree = tree_of({"theta": theta})
    table = diagnose(tree, interval=0.8).table
    assert list(table.columns) == [
        "mean", "sd", "eti80_lb", "eti80_ub", "mcse_mean", "ess_bulk", "ess_tail", "r_hat",
    ]  # fmt: skip
    assert list(table.index) == [f"theta[{i}]" for i in range(5)]
    flat = theta.reshape(-1, 5)
    np.testing.assert_allclose(table["mean"], flat.mean(axis=0))
    np.testing.assert_allclose(table["sd"], flat.std(axis=0, ddof=1))
    np.testing.assert_allclose(table["eti80_ub"], np.quantile(flat, 0.9, axis=0))
    for column, expected in {
        "r_hat": arviz_stats.rhat(tree),
        "ess_bulk": arviz_stats.ess(tree, method="bulk"),
        "ess_tail": arviz_stats.ess(tree, method="tail", prob=(0.05, 0.95)),
        "mcse_mean": arviz_stats.mcse(tree, method="mean"),
    }.items():
        np.testing.assert_allclose(table[column], np.ravel(expected["theta"].values))


def test_scalars_are_named_by_coordinates():
    tree = from_dict(
        {"posterior": {"slope": normal(1, 2, 2)}, "sample_stats": good_stats()},
        coords={"group": ["a", "b"]},
        dims={"slope": ["group", "term"]},
    )
    names = list(diagnose(tree).table.index)
    assert names == ["slope[a, 0]", "slope[a, 1]", "slope[b, 0]", "slope[b, 1]"]


def test_missing_statistics_are_said():
    verdict = diagnose(tree_of({"mu": normal(1)}, stats={}))
    assert verdict.ok
    assert "no sample_stats group" in str(verdict)
    stats = good_stats()
    del stats["energy"], stats["diverging"]
    text = str(diagnose(tree_of({"mu": normal(1)}, stats)))
    assert "no `energy`: E-BFMI was not checked" in text
    assert "no `diverging`: divergences were not checked" in text


def test_names_of_other_libraries_are_understood():
    good = good_stats()
    stats = {"energy": good["energy"], "depth": good["tree_depth"]}
    stats["mean_tree_accept"] = np.full((4, DRAWS), 0.2)
    stats["divergences"] = np.arange(DRAWS) % 20 == np.zeros((4, 1))
    found = checks_of(diagnose(tree_of({"mu": normal(1)}, stats)))
    assert {"divergences", "acceptance"} <= found


def test_dataset_array_dict_and_tree_without_chains_are_read():
    draws = normal(1)
    assert diagnose(xr.Dataset({"mu": (("chain", "draw"), draws)})).trustworthy
    assert diagnose({"mu": draws}).trustworthy
    lone = xr.Dataset({"mu": (("draw",), draws[0])})
    verdict = diagnose(xr.DataTree.from_dict({"posterior": lone}))
    assert verdict.chains == 1


def test_text_sites_and_booleans():
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "word": (("chain", "draw"), np.full((4, DRAWS), "a")),
                    "flag": (("chain", "draw"), normal(1) > 0),
                }
            )
        }
    )
    verdict = diagnose(tree)
    assert list(verdict.table.index) == ["flag"]
    assert "`word` is not numeric" in str(verdict)


def test_a_very_large_site_is_thinned_and_said(monkeypatch):
    monkeypatch.setattr("probgen.diagnose.draws_verdict.read_record.__defaults__", (20,))
    verdict = diagnose(tree_of({"mu": normal(1), "theta": normal(2, 300)}))
    assert "`theta` is large: 19 of its 300 scalars were checked" in str(verdict)
    names = list(verdict.table.index)
    assert names[0] == "mu"
    assert names[1] == "theta[0]"
    assert names[-1] == "theta[299]"


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (xr.DataTree(), "no `posterior` group"),
        (xr.DataTree.from_dict({"prior": xr.Dataset({"a": 1.0})}), "groups: prior"),
        (3.0, "not a float"),
        (xr.DataTree.from_dict({"posterior": xr.Dataset({"mu": ("x", [1.0])})}), "no `draw`"),
        (tree_of({"mu": np.empty((4, 0))}, stats={}), "0 draws"),
    ],
)
def test_what_cannot_be_diagnosed_is_a_data_error(tree, words):
    with pytest.raises(DataError, match=words):
        diagnose(tree)


def test_limits_can_be_moved_and_unknown_ones_are_named():
    tree = tree_of({"mu": normal(1)})
    assert checks_of(diagnose(tree, ess_per_chain=2000)) == {"bulk ESS", "tail ESS"}
    with pytest.raises(OptionError, match=r"unknown limit `rhat`.*r_hat"):
        diagnose(tree, rhat=1.1)
    with pytest.raises(OptionError, match="`r_hat` must be a number"):
        diagnose(tree, r_hat="low")
    with pytest.raises(OptionError, match="interval"):
        diagnose(tree, interval=90)


def test_failures_come_before_warnings_before_notes():
    mu = normal(1)
    mu[2] += 10
    diverging = np.zeros((4, DRAWS), dtype=bool)
    diverging[0, 0] = True
    verdict = diagnose(tree_of({"k": np.ones((4, DRAWS)), "mu": mu}, diverging=diverging))
    order = [finding.severity for finding in verdict.findings]
    assert order == sorted(order, key=["failure", "warning", "note"].index)
    assert set(order) == {"failure", "warning", "note"}
    assert not verdict.trustworthy
    assert "Do not trust this posterior" in verdict.headline
