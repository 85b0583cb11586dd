"""Calibration passes right methods, catches wrong ones, and goes on where it was."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from probgen.studies.calibrate import calibrate
from probgen.studies.calibration import Calibration
from probgen.studies.sbc.ledger import Ledger
from probgen.studies.sbc.replication import Replication, rank_among
from tests.studies.distorted import ExactNormal, ForgetsFactor

X = np.array([0.5, -1.0, 1.0, 2.0])


def line(x, y=None):
    """A regression whose posterior is normal."""
    slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
    with pyro.plate("group", 2):
        level = pyro.sample("level", dist.Normal(0.0, 1.0))
    with pyro.plate("point", len(x)):
        pyro.sample("y", dist.Normal(slope * x + level[0] - level[1], 1.0), obs=y)


def other_prior(x, y=None):
    """The same with a prior around two."""
    slope = pyro.sample("slope", dist.Normal(2.0, 1.0))
    with pyro.plate("group", 2):
        level = pyro.sample("level", dist.Normal(0.0, 1.0))
    with pyro.plate("point", len(x)):
        pyro.sample("y", dist.Normal(slope * x + level[0] - level[1], 1.0), obs=y)


def study(method, **options):
    options = {"data": {"x": X}, "observed": ["y"], "replications": 40, "seed": 3, **options}
    return calibrate(line, method, progress=False, chains=1, draws=240, warmup=0, **options)


def network_study(method=None, **options):
    """Cheaper replications, for all that is the same for programs and networks."""
    options = {"observed": ["Xray"], "replications": 40, "seed": 3, "draws": 240, **options}
    method = method or pg.Exact()
    return calibrate(pg.load_network("cancer"), method, progress=False, chains=1, **options)


@pytest.fixture(scope="module")
def right():
    return study(ExactNormal())


@pytest.fixture(scope="module")
def network_right():
    return network_study()


def test_a_right_method_passes(right):
    assert right.passed, str(right)
    assert set(right.ranks.dataset.data_vars) == {"slope", "level", "log_likelihood"}
    assert right.ranks["level"].shape == (40, 2)
    ranks = right.ranks["slope"].values
    assert ranks.min() >= 0
    assert ranks.max() <= 119
    assert set(right.table.index) == {"level[0]", "level[1]", "slope", "log_likelihood"}
    # posteriors are normal, so that z-scores are standard normal
    assert right.table.loc["slope", "z_sd"] == pytest.approx(1, abs=0.3)
    assert (right.coverage["z"].abs() < 4).all()
    half = right.coverage.xs(0.5, level="interval")
    assert (half["nominal"] == 0.5).all()
    np.testing.assert_allclose(half["error"], np.sqrt(0.25 / 40))


@pytest.mark.parametrize(
    ("method", "word"),
    [
        (ExactNormal(scale=0.4), "too narrow"),
        pytest.param(ExactNormal(shift=1.0), "too high", marks=pytest.mark.slow),
        pytest.param(ExactNormal(scale=4.0), "too wide", marks=pytest.mark.slow),
        pytest.param(ExactNormal(shift=-1.0), "too low", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_method_is_caught_and_its_fault_named(method, word):
    found = study(method, replications=30)
    assert not found.passed
    assert word in str(found.verdict)


def test_a_method_that_ignores_the_data_is_caught_by_the_likelihood_alone():
    found = study(ExactNormal(of_prior=True))
    bad = found.table.index[found.table["p_adjusted"] < 0.01]
    assert list(bad) == ["log_likelihood"]


def test_a_wrong_prior_is_caught():
    found = study(ExactNormal(), simulator=other_prior, replications=30)
    assert not found.passed
    assert "slope" in found.verdict.findings[0]


def test_posterior_calibration_infers_from_both_data_sets():
    data = {"x": X, "y": np.array([4.0, -5.0, 6.0, 9.0])}
    found = study(ExactNormal(), data=data, observed=None, posterior=True)
    assert found.passed, str(found)
    truth = found.tree["truth"]["slope"].values
    assert truth.mean() > 1.5  # truths are draws of the posterior, not of the prior
    assert found.tree["posterior_sd"]["slope"].values.mean() < 0.9 * truth.std()


@pytest.mark.slow
def test_posterior_calibration_catches_a_narrow_posterior():
    data = {"x": X, "y": np.array([4.0, -5.0, 6.0, 9.0])}
    found = study(ExactNormal(scale=0.4), data=data, observed=None, posterior=True)
    assert not found.passed


def test_further_quantities_are_ranked():
    product = {"product": lambda v: v["slope"] * v["level"][:, 0]}
    assert "product" in study(ExactNormal(), quantities=product, replications=20).table.index


@pytest.mark.parametrize("right", [pytest.param(True, marks=pytest.mark.slow), False])
def test_nuts_is_calibrated_and_draws_of_nuts_squeezed_are_not(right):
    def gamma_poisson(size, y=None):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        with pyro.plate("n", int(size)):
            pyro.sample("y", dist.Poisson(rate), obs=y)

    @dataclasses.dataclass(frozen=True)
    class Squeezed:
        name = "Squeezed"

        def run(self, density, plan):
            result = pg.NUTS().run(density, plan)
            mean = result.unconstrained.mean(axis=(0, 1))
            result.unconstrained = mean + 0.4 * (result.unconstrained - mean)
            return result

    options = {"data": {"size": 3}, "observed": ["y"], "seed": 1, "progress": False}
    options |= {"replications": 40, "chains": 1, "draws": 600, "warmup": 200}
    found = calibrate(gamma_poisson, pg.NUTS() if right else Squeezed(), **options)
    assert found.passed == right, str(found)
    assert (found.tree["replications"]["ess"] > 50).all()


@pytest.mark.parametrize("method", [None, pg.Gibbs()])
def test_engines_on_networks_are_calibrated(method):
    found = calibrate(
        pg.load_network("asia"), method, observed=["xray", "dysp"], seed=1, progress=False,
        replications=60, chains=8, draws=100, warmup=20,
    )  # fmt: skip
    assert found.passed, str(found)
    assert "log_joint" in found.table.index


def test_an_engine_without_draws_is_judged_by_its_marginals():
    found = calibrate(
        pg.load_network("cancer"), pg.BeliefPropagation(), observed=["Xray"], seed=1,
        replications=60, progress=False,
    )  # fmt: skip
    assert found.passed, str(found)
    assert "log_joint" not in found.table.index


def test_an_engine_that_forgets_a_factor_is_caught():
    found = calibrate(
        pg.load_network("asia"), ForgetsFactor(pg.Exact()), observed=["xray", "dysp"], seed=1,
        replications=60, progress=False, draws=200, chains=1,
    )  # fmt: skip
    assert not found.passed


def test_a_killed_study_goes_on_to_the_same_result(tmp_path, network_right):
    store = tmp_path / "study"
    network_study(replications=30, store=store)
    rows = store / "replications.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    assert len(lines) == 30
    rows.write_bytes(b"".join(lines[:11]) + lines[11][:40])  # killed while writing the twelfth
    again = network_study(replications=40, store=store)
    for group in ("ranks", "truth", "posterior_mean", "posterior_sd"):
        assert again.tree[group].dataset.identical(network_right.tree[group].dataset)
    assert len(rows.read_bytes().splitlines()) == 40


@pytest.mark.slow
def test_a_killed_study_of_a_program_goes_on_to_the_same_result(tmp_path, right):
    found = study(ExactNormal(), replications=20, store=tmp_path / "study")
    (tmp_path / "study" / "replications.jsonl").write_bytes(
        b"".join((tmp_path / "study" / "replications.jsonl").read_bytes().splitlines(True)[5:15])
    )
    again = study(ExactNormal(), replications=20, store=tmp_path / "study")
    assert again.ranks.dataset.identical(found.ranks.dataset)
    assert found.ranks.dataset.identical(right.ranks.dataset.isel(replication=slice(20)))


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_jobs(right):
    found = study(ExactNormal(), replications=24, jobs=2)
    assert found.ranks.dataset.identical(right.ranks.dataset.isel(replication=slice(24)))


def test_a_store_of_another_study_is_refused(tmp_path):
    store = tmp_path / "study"
    network_study(replications=20, store=store)
    with pytest.raises(OptionError, match="its method is"):
        network_study(pg.Gibbs(), replications=20, store=store)
    with pytest.raises(OptionError, match="its seed is"):
        network_study(replications=20, store=store, seed=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(OptionError, match="holds something else"):
        network_study(replications=20, store=tmp_path / "other")
    (store / "replications.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="line 1 is damaged"):
        network_study(replications=20, store=store)
    (store / "settings.json").write_text("nonsense")
    with pytest.raises(DataError, match="damaged"):
        network_study(replications=20, store=store)


def test_a_store_serves_one_process_at_a_time(tmp_path):
    pytest.importorskip("fcntl")
    with Ledger(tmp_path / "a", {"seed": 1}), pytest.raises(OptionError, match="in use"):
        Ledger(tmp_path / "a", {"seed": 1}).__enter__()


def test_an_interrupted_study_returns_what_is_finished(network_right):
    class Interrupting(ForgetsFactor):
        calls = 0

        def run(self, factors, plan):
            type(self).calls += 1
            if self.calls > 25:
                raise KeyboardInterrupt
            return self.engine.run(factors, plan)

    found = network_study(Interrupting(pg.Exact()))
    finished = found.ranks.sizes["replication"]
    assert 20 <= finished <= 25  # some run twice
    expected = network_right.ranks.dataset.isel(replication=slice(finished))
    assert found.ranks.dataset.identical(expected)
    assert f"interrupted after {finished}" in str(found.verdict)


def test_failures_are_rows_and_spoil_the_verdict_when_they_are_many():
    class Failing(ForgetsFactor):
        def run(self, factors, plan):
            if plan.seed % 3 == 0:
                raise pg.ProbgenError("no luck today")
            return self.engine.run(factors, plan)

    found = network_study(Failing(pg.Exact()))
    assert not found.passed
    assert "no luck today" in found.verdict.headline
    failed = (found.tree["replications"]["error"] != "").values
    assert 0 < failed.sum() < 30
    assert ((found.ranks["Cancer"].values == -1) == failed).all()


def test_saved_and_read_again(tmp_path, right):
    again = Calibration.load(right.save(tmp_path / "study.nc"))
    assert again.tree.identical(right.tree)
    assert str(again) == str(right)
    (tmp_path / "bad.nc").write_text("no")
    with pytest.raises(DataError, match=r"bad\.nc"):
        Calibration.load(tmp_path / "bad.nc")


def test_picture_has_a_panel_for_each_scalar_and_one_for_coverage(tmp_path, right):
    figure = right.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert sum(axis.has_data() for axis in figure.axes) == 5


def test_sites_that_cannot_be_drawn_are_named():
    def improper(y=None):
        mu = pyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    def by_factor(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("z", dist.Normal(mu, 1.0), obs=y)
        pyro.factor("likelihood", -((y - mu) ** 2))

    with pytest.raises(ModelError, match=r"'mu'.*proper prior"):
        calibrate(improper, pg.NUTS(), data={"y": 1.0})
    with pytest.raises(ModelError, match="'likelihood' is a factor"):
        calibrate(by_factor, pg.NUTS(), data={"y": torch.tensor(1.0)})
    with pytest.raises(OptionError, match="observes nothing"):
        calibrate(line, pg.NUTS(), data={"x": X})
    with pytest.raises(OptionError, match="no site named 'z'"):
        calibrate(line, pg.NUTS(), data={"x": X}, observed=["z"])
    with pytest.raises(OptionError, match="Nothing is observed"):
        calibrate(pg.load_network("asia"))
    with pytest.raises(OptionError, match="no variable 'nobody'"):
        calibrate(pg.load_network("asia"), observed=["nobody"])
    with pytest.raises(OptionError, match="posterior= is for Pyro programs"):
        calibrate(pg.load_network("asia"), observed=["xray"], posterior=True)
    with pytest.raises(OptionError, match="NUTS works on Pyro programs"):
        calibrate(pg.load_network("asia"), pg.NUTS(), observed=["xray"])
    for wrong in ({"replications": 40.5}, {"ranks": "many"}, {"jobs": 0}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            calibrate(line, pg.NUTS(), data={"x": X}, observed=["y"], **wrong)


def test_values_at_the_edge_of_double_precision_are_told(right):
    """Draws of a steep prior are rounded to just beside 0 or 1: right methods fail there."""
    tree = right.tree.copy(deep=True)
    assert "double precision" not in " ".join(right.verdict.notes)
    tree["truth"]["slope"][3] = 2.2e-308
    tree["truth"]["level"][5, 1] = np.nextafter(1.0, 0.0)
    tree["truth"]["level"][7, 0] = np.nextafter(1.0, 0.0)
    tree["truth"]["level"][9] = 1.0  # as whole numbers are, and exact
    told = " ".join(Calibration(tree).verdict.notes)
    assert "In 3 of 40 replications the model drew values (of level, most often) nearer" in told


def test_arguments_that_the_program_reads_stay_as_they_are():
    """Lagged values are regressors: drawing new ones would change the model inferred from."""

    def autoregression(y):
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        pyro.sample("next", dist.Normal(slope * y[:-1], 1.0).to_event(1), obs=y[1:])

    found = calibrate(
        autoregression, ExactNormal(), data={"y": np.array([1.0, 2.0, -1.0, 0.5])},
        replications=20, chains=1, draws=240, warmup=0, seed=1, progress=False,
    )  # fmt: skip
    # the posterior sd of a regression depends on the regressors alone
    assert np.ptp(found.tree["posterior_sd"]["slope"].values) < 0.12


def test_ranks_of_ties_are_spread_evenly():
    rng = np.random.default_rng(1)
    draws = np.array([0, 1, 1, 1, 2])
    ranks = [int(rank_among(np.array(1), draws, rng)) for _ in range(400)]
    assert set(ranks) == {1, 2, 3, 4}
    assert rank_among(np.array(np.nan), draws, rng) == -1
    assert rank_among(np.array(3), draws, rng) == 5


def test_replications_keep_all_bits_as_json():
    row = Replication(
        3, {"a": np.array([1, 2])}, {"a": np.array([0.1, np.nan])}, {"a": np.array([1 / 3, 2])},
        {"a": np.array([1e-300, np.inf])}, ess=12.5, error=None,
    )  # fmt: skip
    again = Replication.from_json(row.as_json())
    assert again.as_json() == row.as_json()
    assert json.loads(row.as_json())["replication"] == 3
