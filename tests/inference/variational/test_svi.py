"""`SVI` with guides by name: exact where the family holds the posterior, judged elsewhere."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import InitialisationError, OptionError, SamplingError
from probgen.inference.variational import fit
from probgen.inference.variational.guides.make import make_guide
from probgen.inference.variational.guides.multivariate import Multivariate
from probgen.inference.variational.judge import draw_and_judge
from probgen.inference.variational.start import Start, plain_start
from probgen.inference.variational.svi import SVI
from probgen.learn.variational.objectives.elbo import ELBO
from probgen.learn.variational.objectives.energy_distance import EnergyDistance
from probgen.learn.variational.objectives.renyi import RenyiELBO
from probgen.targets.batch import batch_of
from tests.inference.conformance import run
from tests.inference.densities import TestDensity, native_density
from tests.inference.targets import CORRELATED, GAUSSIAN, SKEWED, TRUNCATED, Target
from tests.inference.test_nuts import CENTRED_FUNNEL

COVARIANCES = {"gaussian": np.diag(GAUSSIAN.sd**2), "correlated": 0.05 * np.eye(10) + 0.95}
PLAN = {"warmup": 0, "draws": 500}


def check_exact(target: Target, method: SVI, tolerance: float, shaped: bool = False) -> None:
    """The guide's own mean, deviations and correlations, and its bound, are the posterior's.

    Training starts half a deviation away with half or less of the scale; `shaped`: with the
    correlations of the posterior, for gradients whose noise leaves no time to find these too.
    """
    covariance = COVARIANCES[target.name]
    start = plain_start(np.full(target.dim, 0.5))
    if shaped:
        factor = torch.from_numpy(0.5 * np.linalg.cholesky(covariance))
        start = Start(start.centre, factor, start.conditional_scale)
    initial = np.zeros((1, target.dim))
    fitted = fit.fit_guide(target.native(), method, initial, seed=1, start=start)
    with torch.no_grad():
        z, _ = fitted.guide.rsample(100_000, torch.Generator().manual_seed(1))
    draws = z.numpy()
    np.testing.assert_allclose((draws.mean(0) - target.mean) / target.sd, 0, atol=tolerance)
    scale = np.outer(target.sd, target.sd)
    np.testing.assert_allclose(np.cov(draws.T) / scale, covariance / scale, atol=2 * tolerance)
    evidence = 0.5 * (target.dim * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])
    assert -fitted.losses[-50:].mean() == pytest.approx(evidence, abs=tolerance)
    assert fitted.converged


@pytest.mark.parametrize("gradient", ["path", "total"])
@pytest.mark.parametrize(
    ("target", "guide"), [(GAUSSIAN, "mean_field"), (CORRELATED, "multivariate")]
)
def test_a_family_that_holds_the_posterior_finds_it(target, guide, gradient):
    total = gradient == "total"
    check_exact(unscaled(target), SVI(guide, gradient=gradient), 0.05 if total else 0.015, total)


def unscaled(target: Target) -> Target:
    """The badly scaled normal in the units of its deviations, since there is no search here."""
    if target.name != "gaussian":
        return target

    def python(q):
        value, gradient = GAUSSIAN.python(q * GAUSSIAN.sd)
        return value + np.log(GAUSSIAN.sd).sum(), gradient * GAUSSIAN.sd

    class Unscaled(Target):
        def native(self):
            return self.eager()

    return Unscaled("unit", "", python, GAUSSIAN.mean / GAUSSIAN.sd, np.ones(5))


COVARIANCES["unit"] = np.eye(5)


def without_log_determinant(monkeypatch):
    """The entropy is missing from the bound."""
    right = Multivariate.forward_map
    monkeypatch.setattr(
        Multivariate, "forward_map", lambda g, u: (right(g, u)[0], torch.zeros(len(u)).double())
    )


def with_half_the_score(monkeypatch):
    right = Multivariate.score
    monkeypatch.setattr(Multivariate, "score", lambda g, z: 0.5 * right(g, z))


def without_correlations(monkeypatch):
    monkeypatch.setattr(
        Multivariate, "factor", property(lambda g: g.log_diagonal.exp().diag_embed())
    )


@pytest.mark.parametrize(
    ("mutation", "gradient"),
    [
        (without_log_determinant, "path"),
        (without_log_determinant, "total"),
        (with_half_the_score, "path"),
        (without_correlations, "path"),
    ],
)
def test_a_broken_guide_is_noticed(mutation, gradient, monkeypatch):
    mutation(monkeypatch)
    method = SVI("multivariate", gradient=gradient, steps=1000)
    with pytest.raises((AssertionError, SamplingError)):
        check_exact(CORRELATED, method, 0.05, shaped=gradient == "total")


@pytest.mark.parametrize("guide", ["mean_field", "low_rank", "multivariate"])
def test_badly_scaled_normals_through_the_search_for_a_start(guide):
    summary = run(SVI(guide), GAUSSIAN.native(), **PLAN).summary
    evidence = 0.5 * (5 * math.log(2 * math.pi) + np.log(GAUSSIAN.sd**2).sum())
    assert summary["elbo"] == pytest.approx(evidence, abs=0.01)
    assert summary["pareto_k"] < 0.5
    assert summary["converged"] is True
    assert summary["notes"] == []


def test_mean_field_is_too_narrow_and_k_says_so():
    """Its variances are those of coordinates given all others: 0.05 ** 0.5 of the deviations."""
    result = run(SVI("mean_field"), CORRELATED.native(), **PLAN)
    conditional = np.diag(np.linalg.inv(COVARIANCES["correlated"])) ** -0.5
    np.testing.assert_allclose(result.unconstrained.std((0, 1)), conditional, rtol=0.08)
    assert result.summary["pareto_k"] > 0.7
    assert "cannot be trusted" in result.summary["notes"][0]
    assert result.summary["elbo"] < result.summary["iw_elbo"] < result.summary[
        "log_evidence_importance"
    ] + 0.1  # fmt: skip


def test_mixtures_hold_several_modes():
    def two_peaks(q):
        left, right = math.log(0.3) - 0.5 * (q[0] + 4) ** 2, math.log(0.7) - 0.5 * (q[0] - 4) ** 2
        top = np.logaddexp(left, right)
        share = math.exp(left - top)
        return float(top), np.array([-share * (q[0] + 4) - (1 - share) * (q[0] - 4)])

    starts = [[-3.0], [3.0], [-5.0], [5.0]]
    density = TestDensity(1, two_peaks)
    found = run(SVI("mixture"), density, initial=starts, **PLAN)
    share = (found.unconstrained > 0).mean()
    assert share == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / 2000))
    assert found.summary["elbo"] == pytest.approx(0.5 * math.log(2 * math.pi), abs=0.02)
    single = run(SVI("multivariate"), density, initial=starts, **PLAN)
    assert single.summary["elbo"] < found.summary["elbo"] - 0.3  # one mode of the two


@pytest.mark.slow
def test_flows_bend():
    """A banana, which no normal fits: x2 is around the square of x1."""

    def banana(q):
        bend = q[1] - q[0] ** 2
        value = -0.5 * q[0] ** 2 - 2 * bend**2
        return float(value), np.array([-q[0] + 8 * bend * q[0], -4 * bend])

    evidence = math.log(2 * math.pi) - math.log(2)
    density = TestDensity(2, banana)
    small = SVI("iaf", transforms=2, hidden=(16,), learning_rate=0.02, steps=1000)
    flow = run(small, density, **PLAN).summary
    normal = run(SVI("multivariate"), density, **PLAN).summary
    assert normal["elbo"] < evidence - 0.4
    assert evidence - 0.1 < flow["elbo"] < evidence + 5 * flow["elbo_error"]


def test_the_importance_weighted_bound_covers_more():
    """At alpha 0 the guide spreads to the tails that the ELBO's leaves out."""
    elbo = run(SVI("mean_field"), CORRELATED.native(), **PLAN)
    renyi = run(SVI("mean_field", RenyiELBO(particles=50)), CORRELATED.native(), **PLAN)
    assert renyi.unconstrained.std() > 1.2 * elbo.unconstrained.std()
    assert renyi.summary["iw_elbo"] > elbo.summary["iw_elbo"] + 0.1
    assert renyi.summary["elbo"] < elbo.summary["elbo"]


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_renyi_bounds_of_an_exact_family_are_exact(alpha):
    check_exact(CORRELATED, SVI("multivariate", RenyiELBO(alpha, particles=8)), 0.06, True)


def test_resampling_by_importance_corrects():
    options = {"warmup": 0, "draws": 2000}
    plain = run(SVI("multivariate"), SKEWED.native(), **options)
    mended = run(SVI("multivariate", resample=True), SKEWED.native(), **options)
    away = np.abs(plain.unconstrained.std((0, 1)) / SKEWED.sd - 1).max()
    near = np.abs(mended.unconstrained.std((0, 1)) / SKEWED.sd - 1).max()
    assert away > 0.15
    assert near < 0.6 * away
    assert mended.summary["importance_ess"] == plain.summary["importance_ess"]


def test_stats_history_and_counts():
    density = TestDensity(2, SKEWED.python)
    result = run(SVI(steps=150), density, chains=2, draws=50, warmup=0)
    lp = [SKEWED.python(q)[0] for q in result.unconstrained.reshape(-1, 2)]
    np.testing.assert_allclose(result.stats["lp"].ravel(), lp)
    assert result.stats["log_q"].shape == (2, 50)
    assert result.history["loss"].shape == (150,)
    summary = result.summary
    counted = summary["gradient_evaluations"] + summary["gradient_evaluations_warmup"]
    assert counted == density.calls
    assert summary["converged"] is False
    assert "standstill" in summary["notes"][-1]
    json.dumps(summary)


def test_errors_of_the_bounds_are_monte_carlo_errors():
    batch = batch_of(CORRELATED.native())
    guide = make_guide(SVI(), Start(torch.zeros(10), torch.ones(10), 0.3 * torch.ones(10)), 1)
    found = [draw_and_judge(guide, batch, 2000, seed, False).summary for seed in range(40)]
    for name in ("elbo", "iw_elbo"):
        values = np.array([summary[name] for summary in found])
        errors = np.array([summary[f"{name}_error"] for summary in found])
        assert 0.7 < values.std(ddof=1) / errors.mean() < 1.4, name


def test_more_draws_begin_with_the_same_ones():
    batch = batch_of(CORRELATED.native())
    guide = make_guide(SVI(), Start(torch.zeros(10), torch.ones(10), torch.ones(10)), 1)
    few, many = (draw_and_judge(guide, batch, count, 1, False) for count in (300, 1000))
    np.testing.assert_array_equal(few.x, many.x[:300])
    assert few.summary["log_evidence_importance"] != many.summary["log_evidence_importance"]


def test_same_seed_same_draws_for_any_number_of_threads():
    def draws(seed: int, threads: int, count: int = 50) -> np.ndarray:
        return run(SVI("multivariate", steps=300), SKEWED.native(), seed=seed, draws=count,
                   threads=threads, warmup=0).unconstrained  # fmt: skip

    np.testing.assert_array_equal(draws(1, 1), draws(1, 3))
    assert not np.isclose(draws(1, 1), draws(2, 1)).any()


def test_other_methods_by_the_name_of_a_guide():
    laplace = run(SVI("laplace"), GAUSSIAN.native(), **PLAN)
    np.testing.assert_array_equal(
        laplace.unconstrained, run(pg.Laplace(), GAUSSIAN.native(), **PLAN).unconstrained
    )
    assert "iterations" in run(SVI("pathfinder"), GAUSSIAN.native(), **PLAN).summary


def test_interrupt_hands_back_what_there_is(monkeypatch):
    step = fit.Fitting.step

    def interrupted(self):
        if self.step_number == 120:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(fit.Fitting, "step", interrupted)
    result = run(SVI(), GAUSSIAN.native(), **PLAN)
    assert result.summary["interrupted"] is True
    assert result.summary["steps"] == 120
    assert result.summary["pareto_k"] < 0.7


def test_progress_is_told():
    def slow(q):
        time.sleep(0.0005)
        return SKEWED.python(q)

    seen = []
    run(SVI(steps=100), TestDensity(2, slow), progress=seen.append, chains=2, draws=10, warmup=0)
    assert seen
    assert 0 < seen[0].iterations[0] <= seen[0].total == 100


def test_draws_beyond_the_support_are_left_out_and_noted():
    result = run(SVI(), TRUNCATED.native(), initial=[-0.5], **PLAN)
    assert np.isfinite(result.unconstrained).all()
    told = " ".join(result.summary["notes"])
    assert "not finite" in told
    assert "x[0]" in told
    assert "no density" in told


def test_a_density_that_fails_everywhere_ends_with_the_coordinate():
    calls = {"count": 0}

    def breaks(q):
        calls["count"] += 1
        if calls["count"] > 3000:
            return float("nan"), np.array([0.0, np.nan])
        return -0.5 * float(q @ q), -q

    with pytest.raises(SamplingError, match=r"not finite .* mostly x\[1\]"):
        run(SVI(), TestDensity(2, breaks), **PLAN)


def test_a_start_without_density():
    with pytest.raises(InitialisationError, match="No starting point"):
        run(SVI(), TRUNCATED.native(), initial=[2.0], **PLAN)


def test_the_funnel_is_not_trusted():
    density = native_density(10, CENTRED_FUNNEL)
    assert run(SVI(steps=2000), density, **PLAN).summary["pareto_k"] > 0.7


def test_no_draws():
    result = run(SVI(steps=50), SKEWED.native(), draws=0, warmup=1)
    assert result.unconstrained.shape == (4, 0, 2)


def test_schedules_and_other_optimisers():
    rate = pg.schedules.Cosine(0.1)
    found = run(SVI("multivariate", learning_rate=rate, steps=600), CORRELATED.native(), **PLAN)
    assert found.summary["pareto_k"] < 0.5
    found = run(SVI(optimiser="rmsprop", learning_rate=0.02), GAUSSIAN.native(), **PLAN)
    assert found.summary["pareto_k"] < 0.5


def shapes(labels):
    """A mixture whose labels are summed out; the share and the means stay."""
    share = pyro.sample("share", dist.Beta(2.0, 2.0))
    mean = pyro.sample("mean", dist.Normal(torch.tensor([-3.0, 3.0]), 1.0).to_event(1))
    with pyro.plate("case", len(labels)):
        which = pyro.sample("which", dist.Bernoulli(share), infer={"enumerate": "parallel"})
        pyro.sample("y", dist.Normal(mean[which.long()], 1.0), obs=labels)


def test_discrete_sites_are_summed_out():
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.normal(-3, 1, 30), rng.normal(3, 1, 70)])
    tree = pg.infer(shapes, SVI("multivariate"), data={"labels": torch.tensor(y).float()}, seed=1,
                    draws=500, progress=False)  # fmt: skip
    assert float(tree.posterior.share.mean()) == pytest.approx(72 / 104, abs=0.01)
    assert tree.attrs["pareto_k"] < 0.7


def regression(x, y):
    """Known noise: the posterior is normal, with the covariance of the design."""
    beta = pyro.sample("beta", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    with pyro.plate("case", len(y)):
        pyro.sample("y", dist.Normal(x @ beta, 0.5), obs=y)


def test_bayesian_regression_is_exact_through_infer():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 3)) @ np.array([[1.0, 0.8, 0.3], [0, 0.6, 0.2], [0, 0, 0.9]])
    y = x @ [1.0, -0.5, 0.2] + 0.5 * rng.normal(size=40)
    data = {"x": torch.tensor(x), "y": torch.tensor(y)}
    tree = pg.infer(regression, SVI("multivariate"), data=data, seed=1, progress=False)
    precision = np.eye(3) + x.T @ x / 0.25
    covariance = np.linalg.inv(precision)
    mean = covariance @ x.T @ y / 0.25
    draws = tree.posterior.beta.values.reshape(-1, 3)
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(0) - mean) < 5 * sd / math.sqrt(4000)).all()
    np.testing.assert_allclose(np.cov(draws.T) / np.outer(sd, sd),
                               covariance / np.outer(sd, sd), atol=0.09)  # fmt: skip
    marginal = np.eye(40) * 0.25 + x @ x.T
    evidence = torch.distributions.MultivariateNormal(
        torch.zeros(40).double(), torch.tensor(marginal)
    ).log_prob(data["y"])
    assert tree.attrs["elbo"] == pytest.approx(float(evidence), abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guide": "nonsense"}, "guide='nonsense'"),
        ({"guide": 3}, "guide=3"),
        ({"steps": -1}, "steps=-1"),
        ({"particles": 1.5}, "particles=1.5"),
        ({"gradient": "score"}, "gradient='score'"),
        ({"tolerance": -1.0}, "tolerance=-1"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"learning_rate": True}, "learning_rate=True"),
        ({"optimiser": 5}, "optimiser=5"),
        ({"components": 0}, "components=0"),
        ({"hidden": (32, 0)}, "hidden="),
        ({"resample": 1}, "resample=1"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        SVI(**options)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (SVI(objective=EnergyDistance()), "guide that is a program"),
        (SVI(objective=ELBO(kl_weight=2.0)), "priors as they are"),
        (SVI("mixture", RenyiELBO(), gradient="path"), "gradient='total'"),
        (SVI(optimiser="nonsense"), "nonsense"),
        (SVI("structured"), "is a program"),
    ],
)
def test_settings_that_do_not_fit_each_other(method, message):
    with pytest.raises(OptionError, match=message):
        run(method, GAUSSIAN.native(), **PLAN)
