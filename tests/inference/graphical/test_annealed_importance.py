"""AIS against brute force, Kaufman's formula and exact elimination; broken ones are noticed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from probgen.errors import EvidenceError, OptionError, SamplingError
from probgen.inference.graphical import annealed_importance
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.native import library
from probgen.inference.graphical.tempering import path as path_module
from probgen.inference.graphical.tempering import walk as walk_module
from probgen.inference.graphical.tempering import weights as weights_module
from probgen.inference.graphical.tempering.base import field_base, uniform_base
from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.pilot import pilot
from probgen.inference.graphical.tempering.weights import Weights, conditional_ess
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, brute_force, grid
from tests.inference.graphical.kaufman_formula import CRITICAL, ising_torus, kaufman_log_z
from tests.inference.graphical.mutants import mutant


def plan(chains=512, seed=1, draws=0, threads=1):
    return GraphPlan(chains=chains, draws=draws, warmup=0, seed=seed, threads=threads)


def errors_of(summary, log_z, side=""):
    """How far an estimate of log Z is off, in its standard errors; rounding is forgiven."""
    off = summary[f"log_evidence{side}"] - log_z
    return off / max(summary[f"log_evidence{side}_error"], 1e-9)


@pytest.mark.parametrize("base", ["fields", "uniform"])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_networks_against_brute_force(name, base):
    factors = condition(AWKWARD[name])
    truth = brute_force(factors)
    result = AnnealedImportance(betas=60, base=base).run(factors, plan(draws=2))
    assert abs(errors_of(result.summary, truth.log_z)) < 5
    assert abs(errors_of(result.summary, truth.log_z, "_reverse")) < 5
    exact = np.concatenate(truth.marginals)
    off = np.abs(result.marginals.probabilities - exact)
    assert (off <= 5 * result.marginals.errors + 1e-9).all()
    json.dumps(result.summary)
    assert result.states.shape == (512, 2, len(factors.cards))
    np.testing.assert_allclose(result.stats["log_joint"], factors.log_joint(result.states))
    assert np.isfinite(result.stats["log_joint"]).all()


def exact_draws(factors, count, seed):
    truth = brute_force(factors)
    flat = np.random.default_rng(seed).choice(truth.joint.size, count, p=truth.joint.ravel())
    return np.array(np.unravel_index(flat, truth.joint.shape)).astype(np.uint8)


def calibration(names=("grid", "functional", "copies"), seeds=12):
    """z-scores over networks and seeds: walks forward, and back from exact draws; (runs, 2)."""
    scores = []
    for name in names:
        factors = condition(AWKWARD[name])
        log_z = brute_force(factors).log_z
        for seed in range(seeds):
            path = annealed_importance.Path(factors, field_base(factors))
            positions = pilot(path, seed).positions(30)
            walk = annealed_importance.Walk(path, positions, 2, plan(seed=seed))
            there = walk.forward()[1]
            back = walk.backward(exact_draws(factors, 512, seed))
            scores.append(
                [
                    (there.log_mean - log_z) / there.log_mean_error,
                    (back.log_mean + log_z) / back.log_mean_error,
                ]
            )
    return np.sqrt(np.square(scores).mean(axis=0))


def test_error_bars_are_calibrated():
    spread = calibration()
    assert (spread > 0.7).all()
    assert (spread < 1.4).all()


def test_the_estimates_bound_log_z_from_either_side():
    """Few particles and positions leave the bounds wide: below on average, and above."""
    factors = condition(grid(3, 3, 1.0, 0.5))
    log_z = brute_force(factors).log_z
    path = Path(factors, uniform_base(factors))
    below, above = [], []
    for seed in range(200):
        walk = walk_module.Walk(path, np.linspace(0, 1, 6), 1, plan(chains=4, seed=seed))
        below.append(walk.forward()[1].log_mean)
        above.append(-walk.backward(exact_draws(factors, 4, seed)).log_mean)
    for bounds, sign in ((below, 1), (above, -1)):
        error = np.std(bounds) / np.sqrt(len(bounds))
        assert sign * (log_z - np.mean(bounds)) > 4 * error


@pytest.mark.parametrize(("side", "betas"), [(8, 150), (16, 300)])
@pytest.mark.parametrize("coupling", [0.25, CRITICAL, 0.55])
def test_ising_torus_against_kaufman(side, betas, coupling):
    factors = condition(ising_torus(side, side, coupling))
    found = AnnealedImportance(betas=betas).run(factors, plan(chains=256)).summary
    exact = kaufman_log_z(side, side, coupling)
    assert abs(errors_of(found, exact)) < 5
    assert abs(errors_of(found, exact, "_reverse")) < 5
    assert found["log_evidence_error"] < 0.25
    assert found["reverse_starts"] == "draws of Swendsen-Wang"


@pytest.mark.slow
@pytest.mark.parametrize(("side", "betas", "sweeps"), [(32, 1000, 4)])
def test_large_ising_torus_against_kaufman(side, betas, sweeps):
    factors = condition(ising_torus(side, side, CRITICAL))
    found = AnnealedImportance(betas=betas, sweeps=sweeps).run(factors, plan()).summary
    assert abs(errors_of(found, kaufman_log_z(side, side, CRITICAL))) < 5


@pytest.mark.parametrize("sides", [(4, 4), (6, 8), (8, 8)])
@pytest.mark.parametrize("couplings", [(0.2, 0.3), (CRITICAL, CRITICAL), (1.0, 1.0)])
def test_elimination_on_a_torus_equals_kaufman(sides, couplings):
    factors = condition(ising_torus(*sides, *couplings))
    found = Exact().run(factors, GraphPlan(1, 0, 0, 1)).summary["log_evidence"]
    assert found == pytest.approx(kaufman_log_z(*sides, *couplings), rel=1e-10)


@pytest.mark.parametrize("schedule", ["linear", "sigmoid", "adaptive"])
def test_schedules(schedule):
    factors = condition(AWKWARD["functional"])
    method = AnnealedImportance(betas=80, schedule=schedule, reverse=False)
    found = method.run(factors, plan()).summary
    assert abs(errors_of(found, brute_force(factors).log_z)) < 5
    assert found["betas"] == 80
    assert "log_evidence_reverse" not in found


def test_adapted_positions_beat_even_ones():
    """Zeros make the path steep at its end, where evenly placed positions are too few."""
    factors = condition(AWKWARD["copies"], {3: 1})
    errors = {
        schedule: AnnealedImportance(betas=40, schedule=schedule, base="uniform", reverse=False)
        .run(factors, plan())
        .summary["log_evidence_error"]
        for schedule in ("adaptive", "linear")
    }
    assert errors["adaptive"] < errors["linear"]


def test_few_effective_particles_are_refused():
    factors = condition(grid(6, 6, 2.0, 0.5))
    with pytest.raises(SamplingError, match=r"only .* of 64 particles carry .* more betas"):
        AnnealedImportance(betas=2).run(factors, plan(chains=64))


def test_nothing_is_free():
    factors = condition(AWKWARD["loop"], {0: 1, 1: 0, 2: 2, 3: 1})
    result = AnnealedImportance(betas=3).run(factors, plan(draws=1))
    assert result.summary["log_evidence"] == pytest.approx(factors.log_constant)
    assert result.marginals.probabilities.size == 0
    assert result.states.shape == (512, 1, 0)


def test_evidence_counts():
    network = AWKWARD["bayesian"]
    factors = condition(network, {3: 1})
    result = AnnealedImportance(betas=60).run(factors, plan())
    assert abs(errors_of(result.summary, brute_force(factors).log_z)) < 5


def test_results_do_not_depend_on_threads():
    factors = condition(grid(4, 4, 0.5, 0.2))
    one, two = (
        AnnealedImportance(betas=20).run(factors, plan(seed=-5, draws=1, threads=threads))
        for threads in (1, 3)
    )
    assert one.summary["log_evidence"] == two.summary["log_evidence"]
    np.testing.assert_array_equal(one.states, two.states)


def test_without_compiler(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    library.open_library.cache_clear()
    factors = condition(AWKWARD["functional"])
    result = AnnealedImportance(betas=15).run(factors, plan())
    assert result.summary["engine"] == "torch"
    assert "slower than native" in result.summary["notes"][0]
    assert abs(errors_of(result.summary, brute_force(factors).log_z)) < 5


def test_impossible_evidence_is_named():
    factors = condition(AWKWARD["xor"], {0: 0, 1: 0})
    table = np.full(2, -np.inf)
    object.__setattr__(factors, "log_tables", (table,) * len(factors.log_tables))
    with pytest.raises(EvidenceError, match=r"a=no, b=no.*probability zero"):
        AnnealedImportance().run(factors, plan())


@pytest.mark.parametrize(
    "options", [{"betas": 0}, {"sweeps": 1.5}, {"schedule": "cosine"}, {"base": "best"}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        AnnealedImportance(**options)


def test_weights():
    weights = Weights(np.log([1.0, 2.0, 1.0, 0.5]) - 900)
    assert weights.log_mean == pytest.approx(np.log(1.125) - 900)
    assert weights.ess == pytest.approx(4.5**2 / 6.25)
    expected = np.std([1, 2, 1, 0.5], ddof=1) / 2 / 1.125
    assert weights.log_mean_error == pytest.approx(expected)
    counts = np.bincount(Weights(np.log([1.0, 3.0, 1e-300, 4.0])).resample(0.3), minlength=4)
    assert counts[2] == 0
    assert counts[3] == 2
    assert Weights(np.full(3, -np.inf)).ess == 0
    assert conditional_ess(np.full(4, 0.25), np.array([0, 0, -np.inf, -np.inf])) == 0.5


def test_the_base_follows_the_fields_but_loses_no_state():
    factors = condition(AWKWARD["unary"])
    expected = np.concatenate([np.exp(t) / np.exp(t).sum() for t in factors.log_tables])
    share = np.repeat(1 / factors.cards, factors.cards)
    np.testing.assert_allclose(np.exp(field_base(factors)), 0.99 * expected + 0.01 * share)
    draws = Path(factors, field_base(factors)).draw_base(20_000, (1,))
    found = np.bincount(draws[0], minlength=3) / 20_000
    np.testing.assert_allclose(found, np.exp(field_base(factors))[:3], atol=0.02)


MUTATIONS = {
    "weights take the wrong position": (
        walk_module,
        "log += self.path.statistics(states).step(start, stop)",
        "log += self.path.statistics(states).step(start, 0.5 * (start + stop))",
    ),
    "the walk back takes the wrong sign": (
        walk_module,
        "log -= self.path.statistics(states)",
        "log += self.path.statistics(states)",
    ),
    "sweeps at an earlier position": (
        walk_module,
        "self.path.sweeper(s).sweep(",
        "self.path.sweeper(max(0.0, s - 0.2)).sweep(",
    ),
    "sweeps keep all of the base": (path_module, "own = (1 - s) * self.base", "own = self.base"),
    "zeros do not fade in the sweeps": (
        path_module,
        "s * filled + _fading(s) * impossible",
        "s * filled",
    ),
    "error bars are half as long": (
        weights_module,
        "np.sqrt(max(count / self.ess - 1",
        "0.5 * np.sqrt(max(count / self.ess - 1",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_ones_are_noticed(mutation, monkeypatch):
    module, old, new = MUTATIONS[mutation]
    broken = mutant(module, old, new)
    if module is walk_module:
        monkeypatch.setattr(annealed_importance, "Walk", broken.Walk)
    elif module is path_module:
        monkeypatch.setattr(annealed_importance, "Path", broken.Path)
    else:
        monkeypatch.setattr(walk_module, "Weights", broken.Weights)
    spread = calibration()
    assert (spread > 1.4).any() or (spread < 0.7).any()
