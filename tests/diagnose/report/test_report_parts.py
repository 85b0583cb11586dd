"""The numbers that the page shows are those of ArviZ and of the draws."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from arviz_stats import loo
from report_runs import CHAINS, DRAWS, network, regression, wide

from probgen.diagnose.report.comparison import comparison_of
from probgen.diagnose.report.explorer import explorer_data
from probgen.diagnose.report.featured import featured_tree
from probgen.diagnose.report.loo import loo_of
from probgen.diagnose.report.runs import read_runs
from probgen.diagnose.report.table import summary_of


@pytest.fixture(autouse=True)
def quick(without_pictures):
    pass


@pytest.mark.filterwarnings("ignore:Estimated shape")
def test_leave_one_out_is_that_of_arviz():
    (run,) = read_runs(regression())
    (ours,), remarks = loo_of(run)
    theirs = loo(run.tree, pointwise=True)
    assert remarks == []
    assert (ours.elpd, ours.error) == pytest.approx((theirs.elpd, theirs.se))
    assert ours.worst[0][1] == pytest.approx(float(theirs.pareto_k.max()))


@pytest.mark.filterwarnings("ignore")
def test_outcomes_that_are_certain_in_every_draw_have_no_tail():
    tree = regression()
    ll = tree["log_likelihood"].to_dataset()
    ll["y"][..., 2] = -1e-13 * np.random.default_rng(0).integers(0, 4, (CHAINS, DRAWS))
    tree["log_likelihood"] = ll
    (run,) = read_runs({"run": tree})
    ((ours,), _) = loo_of(run)
    theirs = loo(regression(), pointwise=True)
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(ours.result.elpd_i[others], theirs.elpd_i[others], rtol=1e-12)
    assert abs(float(ours.result.elpd_i[2])) < 1e-12
    assert float(ours.result.pareto_k[2]) == 0.0
    assert ours.elpd == pytest.approx(float(theirs.elpd_i[others].sum()), rel=1e-9)
    pointwise = np.asarray(ours.result.elpd_i)
    assert ours.error == pytest.approx(np.sqrt(5 * pointwise.var()))
    assert ours.parameters == pytest.approx(ours.result.p)


def test_large_data_are_thinned_for_leave_one_out(monkeypatch):
    from probgen.diagnose.report import loo as module

    monkeypatch.setattr(module, "MOST_OBSERVATIONS", 2)
    (run,) = read_runs(regression())
    (ours,), (remark,) = loo_of(run)
    assert (ours.observations, ours.of) == (2, 5)
    assert "sum over these alone" in remark


def differences(results: list) -> dict[str, tuple[float, bool]]:
    table = comparison_of(read_runs(results), {}).common
    assert table is not None
    return {line.name: (line.cells[-1].value, line.cells[-1].bad) for line in table.lines}


def test_runs_that_differ_beyond_chance_are_told_from_runs_that_do_not():
    moved = regression(3)
    moved["posterior"]["mu"].values[:] += 1.0
    found = differences([regression(2), moved])
    assert found["mu"][1]
    assert found["mu"][0] > 10
    assert not found["tau"][1]
    assert next(iter(found)) == "mu", "the most different comes first"


def test_networks_are_compared_by_their_probabilities():
    other = network(sampled=False)
    other["marginals"]["probability"].values[:2] = [0.9, 0.1]
    found = differences([network(), other])
    assert found["rain=no"] == (pytest.approx(0.7 / 0.01), True)
    assert found["grass=dry"] == (0.0, False)


def test_the_table_sorts_by_the_numbers_of_the_verdict():
    (run,) = read_runs(wide(30))
    table = summary_of(run.verdict)
    r_hat = [line.cells[-1].value for line in table.lines]
    np.testing.assert_allclose(r_hat, run.verdict.table["r_hat"])
    assert any(line.cells[-1].bad for line in table.lines)


def test_thinning_keeps_every_divergence():
    (run,) = read_runs(regression(shift=3.0))
    assert run.record is not None
    tree = featured_tree(run.record, [0], ["mu"], 7)
    marked = tree["sample_stats"]["diverging"].values
    step = -(-DRAWS // 7)
    assert marked.shape == (CHAINS, 7)
    assert marked[0].tolist() == [True] + [False] * 6  # draws 5 to 19 lie within the first
    assert step > 20


def test_ranks_of_a_shifted_chain_are_not_level():
    (run,) = read_runs(regression(shift=3.0))
    data = explorer_data(run, 100_000)
    assert data is not None
    raw = np.frombuffer(base64.b64decode(data["ranks"]), "<u2")
    ranks = raw.reshape(len(data["names"]), CHAINS, data["rank_bins"])
    level = data["counted"] / data["rank_bins"]
    shifted = ranks[data["names"].index("mu"), -1]
    assert shifted[-1] > 2 * level
    assert shifted[:5].sum() < level
    assert ranks[data["names"].index("tau")].max() < 3.5 * level


def test_the_viewer_keeps_to_its_budget():
    (run,) = read_runs(wide(300))
    for budget in (50_000, 400_000):
        data = explorer_data(run, budget)
        assert data is not None
        size = sum(len(data[kind]) for kind in ("trace", "ranks", "density"))
        assert 0.3 * budget < size < 1.1 * budget
        assert data["left_out"] == 300 - len(data["names"])
    assert set(range(15)) <= set(data["positions"]), "the worst mixed are there"
