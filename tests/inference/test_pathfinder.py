"""Pathfinder: normals along the way, exact for normals, corrected and judged by Pareto k."""

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
from probgen.inference.optimise.curvature import Curvature
from probgen.inference.optimise.normal import LowRankNormal
from probgen.inference.pathfinder import Pathfinder
from tests.inference.conformance import check_moments, run
from tests.inference.densities import TestDensity, native_density
from tests.inference.targets import BOUNDED, CORRELATED, GAUSSIAN, SKEWED, TRUNCATED, Target
from tests.inference.test_interrupt import Interrupt
from tests.inference.test_nuts import CENTRED_FUNNEL

NO_WARMUP = {"warmup": 0}
COVARIANCES = {"gaussian": np.diag(GAUSSIAN.sd**2), "correlated": 0.05 * np.eye(10) + 0.95}


def evidence(target: Target) -> float:
    covariance = COVARIANCES[target.name]
    return 0.5 * (target.dim * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])


def check_gaussian(target: Target, **options) -> None:
    """Moments, evidence, lower bound and Pareto k of a normal posterior."""
    result = run(Pathfinder(**options), target.native(), draws=2000, **NO_WARMUP)
    check_moments(result.unconstrained, target.mean, target.sd)
    summary = result.summary
    assert summary["log_evidence"] == pytest.approx(evidence(target), abs=0.05)
    assert max(summary["evidence_lower_bounds"]) == pytest.approx(evidence(target), abs=0.3)
    assert summary["pareto_k"] < 0.5
    assert summary["notes"] == []


@pytest.mark.parametrize("target", [GAUSSIAN, CORRELATED], ids=lambda target: target.name)
@pytest.mark.parametrize("paths", [1, 6])
def test_normals_badly_scaled_and_correlated(target, paths):
    check_gaussian(target, paths=paths)


def without_low_rank(monkeypatch):
    monkeypatch.setattr(LowRankNormal, "coloured", lambda n, z: n.mean + n.scale * z)


def without_log_determinant(monkeypatch):
    monkeypatch.setattr(LowRankNormal, "log_determinant", 0.0)


def with_the_wrong_sign(monkeypatch):
    right = Curvature.low_rank

    def wrong(self):
        outer, inner = right(self)
        return outer, -inner

    monkeypatch.setattr(Curvature, "low_rank", wrong)


@pytest.mark.parametrize(
    "mutation", [without_low_rank, without_log_determinant, with_the_wrong_sign]
)
def test_a_broken_normal_is_noticed(mutation, monkeypatch):
    mutation(monkeypatch)
    with pytest.raises((AssertionError, SamplingError)):
        check_gaussian(CORRELATED)


def test_near_normal_posteriors_are_trusted_and_corrected():
    result = run(Pathfinder(), BOUNDED.native(), draws=2000, **NO_WARMUP)
    assert result.summary["pareto_k"] < 0.7
    # Repeated draws count for less than independent ones: a bound of their own.
    draws = BOUNDED.observe(result.unconstrained)
    error = BOUNDED.sd / math.sqrt(result.summary["importance_ess"])
    assert (np.abs(draws.mean(axis=(0, 1)) - BOUNDED.mean) < 5 * error).all()


def test_the_funnel_is_not_trusted():
    for seed in range(2):
        result = run(
            Pathfinder(paths=2), native_density(10, CENTRED_FUNNEL), seed=seed, **NO_WARMUP
        )
        assert result.summary["pareto_k"] > 0.7
        assert "cannot be trusted" in result.summary["notes"][0]


def test_hopeless_weights_are_not_used():
    """From a posterior of a hundred heavy tails, all weight would fall on a few draws."""

    def tails(q):
        return -1.5 * float(np.log1p(q**2 / 2).sum()), -3 * q / (2 + q**2)

    result = run(Pathfinder(paths=2), TestDensity(100, tails), draws=50, **NO_WARMUP)
    assert result.summary["pareto_k"] >= 1
    assert "not resampled" in result.summary["notes"][1]
    assert len(np.unique(result.stats["path_number"])) == 1
    assert len(np.unique(result.unconstrained[..., 0])) == 200


def test_stats_and_counts():
    density = TestDensity(2, SKEWED.python)
    result = run(Pathfinder(paths=3), density, chains=2, draws=50, **NO_WARMUP)
    assert result.unconstrained.shape == (2, 50, 2)
    lp = [SKEWED.python(q)[0] for q in result.unconstrained.reshape(-1, 2)]
    np.testing.assert_allclose(result.stats["lp"].ravel(), lp)
    assert set(np.unique(result.stats["path_number"])) == {0, 1, 2}
    summary = result.summary
    counted = summary["gradient_evaluations"] + summary["gradient_evaluations_warmup"]
    assert counted == density.calls
    assert summary["approximation"] is True
    assert len(summary["pareto_k_paths"]) == 3
    json.dumps(summary)


def two_peaks():
    """Two normals at -4 and 4 with masses 1/4 and 3/4."""
    x = pyro.sample("x", dist.Normal(0.0, 1.0).mask(False))
    left = math.log(0.25) + dist.Normal(-4.0, 1.0).log_prob(x)
    pyro.factor("peaks", torch.logaddexp(left, math.log(0.75) + dist.Normal(4.0, 0.5).log_prob(x)))


def test_paths_to_different_modes_are_weighed_by_their_mass():
    tree = pg.infer(two_peaks, Pathfinder(paths=4), init={"x": [-3.0, 3.0, -5.0, 5.0]}, seed=1,
                    draws=4000, progress=False)  # fmt: skip
    ess = tree.attrs["importance_ess"]
    share = float((tree.posterior.x > 0).mean())
    assert share == pytest.approx(0.75, abs=5 * math.sqrt(0.25 * 0.75 / ess))
    assert tree.attrs["log_evidence"] == pytest.approx(0, abs=0.05)
    assert "several modes" in tree.attrs["notes"]


def test_without_resampling_the_draws_are_those_of_the_normals():
    result = run(Pathfinder(resample=False), SKEWED.native(), draws=250, **NO_WARMUP)
    counts = np.bincount(result.stats["path_number"].ravel())
    assert (counts == 250).all()
    assert len(np.unique(result.unconstrained[..., 0])) == 1000


def test_same_seed_same_draws_for_any_number_of_threads():
    def draws(seed: int, threads: int) -> np.ndarray:
        return run(Pathfinder(), SKEWED.native(), seed=seed, draws=50, threads=threads,
                   initial=[0.5, 0.5], **NO_WARMUP).unconstrained  # fmt: skip

    np.testing.assert_array_equal(draws(1, 1), draws(1, 3))
    assert not np.isclose(draws(1, 1), draws(2, 1)).all()


def test_programs_in_python_are_run_one_at_a_time():
    def program():
        x = pyro.sample("x", dist.Normal(torch.zeros(3), 2.0).to_event(1))
        pyro.sample("y", dist.Normal(x, 1.0).to_event(1), obs=torch.ones(3))

    options = {"seed": 1, "draws": 50, "threads": 4, "progress": False}
    method = Pathfinder(path_draws=60)
    eager = pg.infer(program, method, backend="eager", **options)
    native = pg.infer(program, method, backend="native", **options)
    np.testing.assert_allclose(eager.posterior.x, native.posterior.x, rtol=1e-6)


def test_more_or_fewer_paths_than_chains():
    for paths in (1, 7):
        result = run(Pathfinder(paths=paths), SKEWED.native(), chains=3, draws=10, **NO_WARMUP)
        assert result.unconstrained.shape == (3, 10, 2)
        assert len(result.summary["iterations"]) == paths


def test_no_draws():
    result = run(Pathfinder(), SKEWED.native(), draws=0, warmup=1)
    assert result.unconstrained.shape == (4, 0, 2)


def slow_slope(q):
    """Quick near zero; far out, a slope without curvature, and slow."""
    if abs(q[0]) < 50:
        return -0.5 * float(q @ q), -q
    time.sleep(0.02)
    return 1e-9 * q[0], np.array([1e-9])


def test_interrupt_keeps_finished_paths():
    stop = Interrupt(lambda progress: progress.iterations[0] == 1)
    started = time.perf_counter()
    result = run(Pathfinder(paths=2), TestDensity(1, slow_slope), chains=2, draws=10, threads=2,
                 initial=[[1.0], [60.0]], progress=stop, **NO_WARMUP)  # fmt: skip
    assert time.perf_counter() - started < 10
    assert result.summary["interrupted"] is True
    assert len(result.summary["iterations"]) == 1


def test_interrupt_before_the_first_path():
    with pytest.raises(KeyboardInterrupt):
        run(Pathfinder(paths=1), TestDensity(1, slow_slope), chains=1, initial=[60.0],
            progress=Interrupt(lambda progress: True), **NO_WARMUP)  # fmt: skip


def test_no_approximation():
    with pytest.raises(SamplingError, match="No path met a normal approximation"):
        run(Pathfinder(), native_density(1, "grad[0] = 0; return 3;"), **NO_WARMUP)


def test_a_start_without_density():
    with pytest.raises(InitialisationError, match="Path 0 starts where"):
        run(Pathfinder(), TRUNCATED.native(), initial=[2.0], **NO_WARMUP)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": 0}, "paths=0"),
        ({"pairs": 1.5}, "pairs=1.5"),
        ({"bound_draws": True}, "bound_draws=True"),
        ({"path_draws": 0}, "path_draws=0"),
        ({"max_iterations": -1}, "max_iterations=-1"),
        ({"resample": None}, "resample=None"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        Pathfinder(**options)
