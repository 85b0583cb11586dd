"""The public calls on networks: engines by name and by choice, evidence, verdicts, errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import probgen as pg
from probgen.declare.network import Factor, Network
from probgen.errors import DataError, EvidenceError, OptionError, TooLargeError
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import brute_force, grid, xor

ENGINES = [
    pg.Exact(),
    pg.Gibbs(),
    pg.ParallelTempering(),
    pg.AnnealedImportance(),
    pg.BeliefPropagation(),
    pg.MeanField(),
]


@pytest.fixture(scope="module")
def asia():
    return pg.load_network("asia")


def truth(network, evidence):
    position = {network.position[k]: network.states[network.position[k]].index(v)
                for k, v in evidence.items()}  # fmt: skip
    return brute_force(condition(network, position))


@pytest.mark.parametrize("method", ENGINES, ids=lambda m: m.name)
def test_every_engine_gives_a_tree_that_can_be_diagnosed(asia, method):
    evidence = {"dysp": "yes", "xray": "no"}
    tree = pg.infer(asia, method, data=evidence, seed=1, progress=False)
    assert isinstance(tree, xr.DataTree)
    table = pg.marginals(tree)
    expected = np.concatenate(truth(asia, evidence).marginals)
    tolerance = {"BeliefPropagation": 0.05, "MeanField": 0.3, "AnnealedImportance": 0.08}.get(
        method.name, 0.02
    )
    if method.name == "Exact":
        tolerance = 1e-9
    np.testing.assert_allclose(table["probability"], expected, atol=tolerance)
    assert table.index[0] == ("asia", "yes")
    verdict = pg.diagnose(tree)
    assert verdict.trustworthy, str(verdict)
    assert tree.attrs["method"] == method.name
    assert tree.attrs["seed"] == 1
    assert str(tree["observed_data"]["dysp"].values) == "yes"
    if method.name in ("Exact", "ParallelTempering", "AnnealedImportance"):
        known = truth(asia, evidence).log_z
        assert tree.attrs["log_evidence"] == pytest.approx(known, abs=max(tolerance, 1e-9) * 5)


def test_the_engine_is_chosen_and_the_reason_said(asia):
    tree = pg.infer(asia, seed=1)
    assert tree.attrs["method"] == "Exact"
    assert "exact elimination is cheap" in tree.attrs["method_reason"]


def test_wide_networks_get_a_sampler():
    frustrated = grid(40, 40, 0.5, 0.2)
    tree = pg.infer(frustrated, seed=1, chains=8, draws=20, warmup=20, progress=False)
    assert tree.attrs["method"] == "Gibbs"
    assert "too wide" in tree.attrs["method_reason"]
    assert tree["posterior"]["state"].shape == (8, 20, 1600)
    attracting = grid(40, 40, 0.3, 0.0, seed=None)
    tree = pg.infer(attracting, seed=1, chains=4, draws=20, warmup=20, progress=False)
    assert tree.attrs["method"] == "SwendsenWang"
    with pytest.raises(TooLargeError, match="width"):
        pg.infer(frustrated, pg.Exact(memory=0.1))


def test_the_same_seed_gives_the_same_draws_for_any_number_of_threads(asia):
    trees = [
        pg.infer(asia, pg.Gibbs(), seed=seed, threads=threads, chains=40, draws=50, progress=False)
        for seed, threads in ((7, 1), (7, 2), (8, 1))
    ]
    draws = [tree["posterior"].to_dataset() for tree in trees]
    xr.testing.assert_equal(draws[0], draws[1])
    assert not draws[0].equals(draws[2])


def test_soft_evidence(asia):
    hard = pg.infer(asia, data={"xray": "yes"}, seed=0)
    soft = pg.infer(asia, data={"xray": {"yes": 1.0, "no": 0.0}}, seed=0)
    a, b = pg.marginals(hard)["probability"], pg.marginals(soft)["probability"]
    np.testing.assert_allclose(b.loc[a.index], a, atol=1e-12)


def test_single_site_gibbs_on_a_reducible_network_is_flagged():
    plain = pg.infer(xor(), pg.Gibbs(blocks="none"), seed=1, progress=False)
    assert not pg.diagnose(plain).trustworthy
    blocked = pg.infer(xor(), pg.Gibbs(), seed=1, progress=False)
    assert pg.diagnose(blocked).trustworthy
    np.testing.assert_allclose(pg.marginals(blocked)["probability"], 0.5, atol=0.02)


def test_errors_name_what_is_wrong(asia):
    with pytest.raises(DataError, match="smoke"):
        pg.infer(asia, data={"smok": "yes"})
    with pytest.raises(DataError, match=r"yes.*no"):
        pg.infer(asia, data={"smoke": "maybe"})
    with pytest.raises(EvidenceError, match="either"):
        pg.infer(asia, data={"either": "no", "tub": "yes"})
    with pytest.raises(OptionError, match="discrete network"):
        pg.infer(asia, pg.NUTS())
    with pytest.raises(OptionError, match="init= is for Pyro programs"):
        pg.infer(asia, init="prior")
    with pytest.raises(OptionError, match="Pyro program"):
        pg.infer(lambda: None, pg.Gibbs())
    with pytest.raises(OptionError, match="chains=0"):
        pg.infer(asia, pg.Gibbs(), chains=0)


def test_check_lists_faults_and_names_the_engine(asia):
    report = pg.check(asia, {"dysp": "yes"})
    assert report.ok
    assert "infer takes Exact" in str(report)
    report = pg.check(asia, {"dysp": "perhaps"})
    assert not report.ok
    assert "perhaps" in str(report)
    impossible = pg.check(asia, {"either": "no", "tub": "yes"})
    assert not impossible.ok


def test_describe_gives_the_network(asia):
    assert pg.describe(asia) is asia


@pytest.mark.parametrize("method", [None, *ENGINES], ids=lambda m: m.name if m else "chosen")
def test_everything_observed(method):
    network = Network(
        ("a",), (("x", "y"),), (Factor((0,), np.log([0.25, 0.75]), child=0),), "coin"
    )
    tree = pg.infer(network, method, data={"a": "y"}, seed=1, progress=False)
    assert tree["marginals"].sizes["entry"] == 0
    assert str(pg.diagnose(tree))


def test_evidence_may_be_a_row_of_a_table(asia):
    import pandas as pd

    row = pd.Series({"dysp": "yes", "xray": "no"})
    a = pg.marginals(pg.infer(asia, data=row, seed=0))
    b = pg.marginals(pg.infer(asia, data=row.to_dict(), seed=0))
    pd.testing.assert_frame_equal(a, b)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": pg.Gibbs}, r"class: infer takes a value, Gibbs\(\)"),
        ({"method": "gibbs"}, "'gibbs' is no method of infer"),
        ({"method": pg.EM()}, "is no method of infer.*fit takes it"),
        ({"seed": "x"}, "seed='x': must be an integer"),
        ({"seed": 1.5}, "seed=1.5: must be an integer"),
        ({"threads": 0}, "threads=0: must be an integer of at least 1"),
        ({"threads": "all"}, "threads='all'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_are_none(asia, options, words):
    with pytest.raises(OptionError, match=words):
        pg.infer(asia, **options)


def test_draws_beyond_memory_are_an_error_that_says_so(asia):
    with pytest.raises(TooLargeError, match="GB, more than this machine has: ask for fewer"):
        pg.infer(asia, pg.Exact(), draws=10**15, progress=False)


def test_running_out_of_memory_is_an_error_that_says_so(asia, monkeypatch):
    def starve(self, factors, plan):
        raise MemoryError

    monkeypatch.setattr(pg.Gibbs, "run", starve)
    with pytest.raises(TooLargeError, match=r"Gibbs ran out of memory with 64 chains x 1000"):
        pg.infer(asia, pg.Gibbs(), progress=False)


def test_networks_are_not_predicted(asia):
    tree = pg.infer(asia, draws=2, progress=False)
    with pytest.raises(OptionError, match="predict runs Pyro programs"):
        pg.predict(tree, asia)
