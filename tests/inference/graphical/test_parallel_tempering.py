"""Parallel tempering against brute force and exact elimination; broken ones are noticed."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.declare.networks.load import load_network
from probgen.errors import OptionError
from probgen.inference.graphical import parallel_tempering
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.gibbs import Gibbs
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.native import library
from probgen.inference.graphical.parallel_tempering import ParallelTempering
from probgen.inference.graphical.sweeps.engine import StateCounter
from probgen.inference.graphical.tempering import bridge as bridge_module
from probgen.inference.graphical.tempering import path as path_module
from probgen.inference.graphical.tempering import replicas as replicas_module
from probgen.inference.graphical.tempering import run as run_module
from probgen.inference.graphical.tempering.bridge import Bridge, bridge_constants
from probgen.inference.graphical.tempering.pilot import Pilot
from probgen.inference.graphical.tempering.positions import (
    expected_round_trips,
    levels_for,
    respaced,
)
from probgen.inference.graphical.tempering.run import cold_states
from probgen.inference.graphical.tempering.weights import Weights
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, brute_force, grid
from tests.inference.graphical.kaufman_formula import ising_torus, kaufman_log_z
from tests.inference.graphical.mutants import mutant


def plan(chains=64, draws=300, warmup=200, seed=1, threads=1):
    return GraphPlan(chains=chains, draws=draws, warmup=warmup, seed=seed, threads=threads)


def score(result, exact, log_z):
    """Largest z-score of the marginals and of log Z."""
    found = result.marginals
    z = np.abs(found.probabilities - exact) / np.maximum(found.errors, 1e-9)
    off = abs(result.summary["log_evidence"] - log_z)
    return max(z.max(), off / max(result.summary["log_evidence_error"], 1e-9))


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_networks_against_brute_force(name):
    factors = condition(AWKWARD[name])
    truth = brute_force(factors)
    result = ParallelTempering().run(factors, plan())
    assert score(result, np.concatenate(truth.marginals), truth.log_z) < 5
    assert result.states.shape == (64, 300, len(factors.cards))
    assert np.isfinite(result.stats["log_joint"]).all()
    np.testing.assert_allclose(result.stats["log_joint"], factors.log_joint(result.states))
    json.dumps(result.summary)


@pytest.mark.parametrize("name", ["asia", "hailfinder", "win95pts"])
def test_deterministic_networks_against_elimination(name):
    """Networks full of zeros, some leaves observed, on which single sites cannot move."""
    network = load_network(name)
    parents = {v for f in network.factors for v in f.scope if v != f.child}
    leaves = [v for v in range(len(network.names)) if v not in parents][:3]
    joint = Exact().run(condition(network), GraphPlan(1, 1, 0, 2)).states[0, 0]
    factors = condition(network, {v: int(joint[v]) for v in leaves})
    exact = Exact().run(factors, GraphPlan(1, 0, 0, 1))
    result = ParallelTempering().run(factors, plan())
    off = np.abs(result.marginals.probabilities - exact.marginals.probabilities)
    assert off.max() < 0.05
    assert (off / np.maximum(result.marginals.errors, 1e-3)).max() < 6
    error = result.summary["log_evidence_error"]
    assert abs(result.summary["log_evidence"] - exact.summary["log_evidence"]) < 5 * error
    assert error < 0.1
    assert result.summary["round_trips"] > 100
    assert all(0.3 < rate < 0.7 for rate in result.summary["swap_acceptance"])


def test_a_magnet_in_two_phases_where_single_sites_are_stuck():
    """Below the critical temperature; a weak field prefers one of the phases three to one."""
    factors = condition(grid(6, 6, 0.7, 0.015, None))
    exact = Exact().run(factors, GraphPlan(1, 0, 0, 1)).marginals.probabilities
    tempered = ParallelTempering().run(factors, plan())
    assert np.abs(tempered.marginals.probabilities - exact).max() < 0.04
    assert np.nanmax(tempered.marginals.r_hat) < 1.1
    single = Gibbs().run(factors, plan(draws=300, warmup=200))
    assert np.abs(single.marginals.probabilities - exact).max() > 0.05
    assert np.nanmin(single.marginals.r_hat) > 1.2


def test_evidence_of_a_torus():
    factors = condition(ising_torus(8, 8, 0.5))
    result = ParallelTempering().run(factors, plan())
    off = result.summary["log_evidence"] - kaufman_log_z(8, 8, 0.5)
    assert abs(off) < 5 * result.summary["log_evidence_error"]
    assert result.summary["log_evidence_error"] < 0.1


def test_error_of_the_evidence_is_calibrated():
    factors = condition(AWKWARD["functional"])
    log_z = brute_force(factors).log_z
    runs = [ParallelTempering().run(factors, plan(draws=100, seed=s)) for s in range(16)]
    z = [(r.summary["log_evidence"] - log_z) / r.summary["log_evidence_error"] for r in runs]
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.5


@pytest.mark.parametrize("chains", [1, 3])
def test_few_ladders(chains):
    factors = condition(AWKWARD["copies"])
    truth = brute_force(factors)
    result = ParallelTempering().run(factors, plan(chains=chains, draws=6000))
    assert score(result, np.concatenate(truth.marginals), truth.log_z) < 5


def test_levels_are_as_many_as_asked_for_and_swap_alike():
    factors = condition(grid(5, 5, 0.6, 0.2))
    asked = ParallelTempering(levels=7).run(factors, plan(warmup=400)).summary
    assert asked["levels"] == 7 == len(asked["positions"])
    assert np.ptp(asked["swap_acceptance"]) < 0.1
    assert asked["positions"][0] == 0
    assert asked["positions"][-1] == 1
    many = ParallelTempering(target_swap=0.8).run(factors, plan()).summary
    few = ParallelTempering(target_swap=0.3).run(factors, plan()).summary
    assert many["levels"] > few["levels"]
    assert abs(np.mean(many["swap_acceptance"]) - 0.8) < 0.08
    assert ParallelTempering(most_levels=3).run(factors, plan()).summary["levels"] == 3


def test_round_trips_are_as_theory_says_where_levels_mix():
    summary = ParallelTempering(levels=6).run(condition(AWKWARD["grid"]), plan()).summary
    assert 0.8 < summary["round_trips"] / summary["round_trips_at_best"] < 1.1


def test_a_ladder_without_round_trips_says_so():
    factors = condition(ising_torus(12, 12, 1.0))
    notes = ParallelTempering(levels=3).run(factors, plan(draws=50, warmup=20)).summary["notes"]
    assert any("round trips" in note and "Take more draws" in note for note in notes)
    assert any("take more levels" in note for note in notes)


def test_draws_do_not_depend_on_threads():
    factors = condition(AWKWARD["functional"])
    one, three = (
        ParallelTempering().run(factors, plan(seed=-9, draws=50, threads=threads))
        for threads in (1, 3)
    )
    np.testing.assert_array_equal(one.states, three.states)
    other = ParallelTempering().run(factors, plan(seed=10, draws=50))
    assert (one.states != other.states).any()


@pytest.mark.parametrize(("draws", "warmup"), [(0, 20), (20, 0), (0, 0)])
def test_short_runs(draws, warmup):
    result = ParallelTempering().run(condition(AWKWARD["xor"]), plan(draws=draws, warmup=warmup))
    assert result.states.shape == (64, draws, 3)
    assert ("log_evidence" in result.summary) == (draws > 0)


def test_nothing_is_free():
    factors = condition(AWKWARD["loop"], {0: 1, 1: 0, 2: 2, 3: 1})
    result = ParallelTempering().run(factors, plan(draws=5))
    assert result.summary["log_evidence"] == pytest.approx(factors.log_constant)
    assert result.states.shape == (64, 5, 0)


def test_without_compiler(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    library.open_library.cache_clear()
    factors = condition(AWKWARD["xor"])
    truth = brute_force(factors)
    result = ParallelTempering(sweeps=1).run(factors, plan(draws=100, warmup=50))
    assert result.summary["engine"] == "torch"
    assert score(result, np.concatenate(truth.marginals), truth.log_z) < 5


def test_interrupted_runs_keep_what_is_finished():
    def interrupt(done, total, what):
        if done > 30:
            raise KeyboardInterrupt

    factors = condition(AWKWARD["xor"])
    result = ParallelTempering().run(factors, GraphPlan(64, 1000, 10, 1, 1, interrupt))
    assert result.summary["interrupted"]
    assert result.states.shape == (64, 21, 3)
    assert np.isfinite(result.marginals.probabilities).all()


def test_an_interrupt_between_counts_and_draws_leaves_marginals_whole(monkeypatch):
    add, calls = StateCounter.add, []

    def interrupted(self, states, counts):
        add(self, states, counts)
        calls.append(len(calls))
        if len(calls) == 20:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(StateCounter, "add", interrupted)
    factors = condition(AWKWARD["loop"])
    result = ParallelTempering(levels=2).run(factors, plan(draws=1000, warmup=10))
    assert result.summary["interrupted"]
    assert 20 <= result.states.shape[1] < 1000
    sums = np.add.reduceat(result.marginals.probabilities, result.marginals.offsets[:-1])
    np.testing.assert_allclose(sums, 1)


def test_starts_are_searched_for_where_the_pilot_found_none():
    factors = condition(AWKWARD["functional"])
    lost = Pilot(np.array([0.0, 1.0]), np.zeros((5, 4), np.uint8), Weights(np.full(4, -np.inf)), 1)
    states = cold_states(factors, lost, plan(chains=7))
    assert states.shape == (5, 7)
    assert np.isfinite(factors.log_joint(states.T)).all()


@pytest.mark.parametrize(
    "options", [{"levels": 1}, {"sweeps": 0}, {"most_levels": 2.5}, {"target_swap": 1.0}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        ParallelTempering(**options)


def test_positions_share_the_barrier():
    positions = respaced(np.array([0.0, 0.5, 1.0]), np.array([0.6, 0.2]), 5)
    np.testing.assert_allclose(positions, [0, 1 / 6, 1 / 3, 0.5, 1.0])
    assert levels_for(3.0, 0.5, 64) == 7
    assert levels_for(0.0, 0.5, 64) == 2
    assert expected_round_trips(np.array([0.5, 0.5]), 60) == pytest.approx(10)


def test_bridge_between_normal_densities():
    """exp(-x^2 / 2) and 3 exp(-(x - 1)^2 / 2): the ratio of their integrals is 3."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 400, 1, 8))

    def log_weight(at):
        return np.log(3) - 0.5 * (at - 1) ** 2 + 0.5 * at**2

    up, down = log_weight(x), log_weight(y + 1)
    constants = bridge_constants(up, down)
    assert constants[0] == pytest.approx(np.log(3), abs=0.1)
    for constant in (constants, constants + 1):
        bridge = Bridge(constant, 4, 8)
        for d in range(400):
            bridge.add(d // 100, up[d], down[d])
        found, error = bridge.log_evidence()
        assert abs(found - np.log(3)) < 5 * error
        assert error < 0.05


MUTATIONS = {
    "swaps with the wrong sign": (replicas_module, "0.0, up - down", "0.0, down - up"),
    "all swaps are accepted": (
        replicas_module,
        "uniform[pair] < seen.acceptance[pair]",
        "uniform[pair] < 2",
    ),
    "swaps take one side only": (
        replicas_module,
        "np.exp(np.minimum(0.0, up - down))",
        "np.exp(np.minimum(0.0, up))",
    ),
    "levels keep all of the base": (path_module, "own = (1 - s) * self.base", "own = self.base"),
    "tables are tempered twice": (path_module, "s * filled +", "s * s * filled +"),
    "the bridge takes the wrong side": (
        bridge_module,
        "self._below[group] += _fermi(c - down)",
        "self._below[group] += _fermi(c - up)",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_ones_are_noticed(mutation, monkeypatch):
    module, old, new = MUTATIONS[mutation]
    broken = mutant(module, old, new)
    if module is replicas_module:
        monkeypatch.setattr(run_module, "Replicas", broken.Replicas)
    elif module is path_module:
        monkeypatch.setattr(parallel_tempering, "Path", broken.Path)
    else:
        monkeypatch.setattr(run_module, "Bridge", broken.Bridge)
    scores = []
    for name in ("grid", "cards"):
        factors = condition(AWKWARD[name])
        truth = brute_force(factors)
        result = ParallelTempering().run(factors, plan())
        scores.append(score(result, np.concatenate(truth.marginals), truth.log_z))
    assert max(scores) > 5


def first_order(children: int = 14) -> Network:
    """With the hub on, every child must stand at one state of eight; off, at any: P(on) is 1."""
    table = np.zeros((2, 8))
    table[1, 0], table[1, 1:] = np.log(16), -8.0
    return Network(
        tuple(range(children + 1)),
        (("off", "on"), *(tuple(range(8)),) * children),
        tuple(Factor((0, child), table) for child in range(1, children + 1)),
        "first order",
    )


@pytest.mark.parametrize("guarded", [True, False])
def test_a_mode_that_hotter_levels_lack_is_not_missed_in_silence(guarded, monkeypatch):
    if not guarded:  # what happens without the start at the mode
        monkeypatch.setattr(parallel_tempering, "_start_at_mode", lambda *_: None)
    factors = condition(first_order())
    marginals = ParallelTempering().run(factors, GraphPlan(16, 200, 200, 1)).marginals
    missed = abs(marginals.of(0)[1] - 1.0) > 0.05
    noticed = np.nanmax(marginals.r_hat) > 1.1
    assert (noticed or not missed) == guarded
