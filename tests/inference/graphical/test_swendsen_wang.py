"""Swendsen-Wang against brute force on awkward ferromagnets; broken ones are noticed."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.declare.network import Factor, Network
from probgen.errors import ModelError, OptionError
from probgen.inference.graphical.clusters.model import ferromagnet, is_ferromagnetic
from probgen.inference.graphical.clusters.sweep import NativeSweep, NumpySweep
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.native.library import source
from probgen.inference.graphical.swendsen_wang import SwendsenWang
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import POSITIVE, brute_force, grid

ZERO = -np.inf


def network(cards, *factors):
    parts = tuple(Factor(scope, np.array(table, dtype=float)) for scope, table in factors)
    states = tuple(tuple(range(card)) for card in cards)
    return Network(tuple(f"v{k}" for k in range(len(cards))), states, parts)


def ising(j):
    return [[j, -j], [-j, j]]


def potts(states, reward, seed=None):
    table = np.diag(np.broadcast_to(np.asarray(reward, dtype=float), (states,)))
    if seed is None:
        return table
    rng = np.random.default_rng(seed)
    return table + rng.normal(size=(states, 1)) + rng.normal(size=states)


TRIANGLE = [(0, 1), (1, 2), (0, 2)]
FERROMAGNETS = {
    "grid in a field": grid(3, 3, 0.6, 0.4, None),
    "duplicated": network([2, 2, 2], ((0, 1), ising(0.3)), ((1, 0), ising(0.4)),
                          ((0, 1), ising(-0.2)), ((1, 2), ising(0.8)), ((2,), [0.3, -0.4])),
    "isolated and disconnected": network([2, 2, 2, 3, 1], ((0, 1), ising(0.7)), ((2,), [1, 0])),
    "skewed tables": network([2, 2, 2], ((0, 1), [[1.0, 0.2], [-0.3, 0.9]]),
                             ((2, 1), [[0.1, -1.0], [0.4, 1.1]])),
    "only fields": network([2, 3], ((0,), [0.5, 0]), ((1,), [0, 1, -1]),
                           ((0, 1), [[0.1, 0.6, 0.4], [0.3, 0.8, 0.6]])),
    "Potts": network([3, 3, 3, 3], *(((a, b), potts(3, 0.8)) for a, b in [*TRIANGLE, (2, 3)]),
                     ((0,), [0.4, 0.0, -0.5])),
    "Potts with unequal rewards": network(
        [3, 3, 3], *(((a, b), potts(3, [0.2, 0.0, 1.5], a + b)) for a, b in TRIANGLE)),
    "Potts with four states beside Ising": network(
        [4, 4, 2, 2], ((0, 1), potts(4, [0.2, 1.0, 0.5, 0.7], 3)), ((2, 3), ising(0.5)),
        ((2,), [0.2, 0.0])),
    "antiferromagnet on a square": network(
        [2] * 4, *(((v, (v + 1) % 4), ising(-0.6)) for v in range(4)), ((0,), [0.0, 0.7]),
        ((3,), [0.5, 0.0])),
    "copies": network([2, 2, 2, 2], ((0, 1), [[0.2, ZERO], [ZERO, 0.1]]),
                      ((1, 2), [[ZERO, 0.4], [0.1, ZERO]]), ((2, 3), ising(0.5)),
                      ((3,), [0.3, 0.0])),
    "impossible state": network([3, 3], ((0, 1), potts(3, 1.0)), ((0,), [0.1, ZERO, 0.0])),
    "three variables, one of them with one state": network(
        [2, 1, 2], ((0, 1, 2), np.array(ising(0.6)).reshape(2, 1, 2)), ((1,), [0.3])),
    "no variable": network([]),
}  # fmt: skip


def plan(chains=8, draws=2000, seed=1, threads=1, warmup=20):
    return GraphPlan(chains=chains, draws=draws, warmup=warmup, seed=seed, threads=threads)


def largest_z(result, factors):
    """How far draws and averaged marginals are from brute force, in standard errors."""
    if not len(factors.cards):
        assert result.marginals.probabilities.size == 0
        return 0.0
    truth = brute_force(factors)
    found = result.marginals
    exact = np.concatenate(truth.marginals)
    off = np.abs(found.probabilities - exact)
    # Averages of clusters' probabilities may be exact: their error is then rounding.
    z = off / np.maximum(found.errors, 1e-9)
    joint = np.zeros(truth.joint.shape)
    draws = result.states.reshape(-1, len(factors.cards))
    np.add.at(joint, tuple(draws.T), 1 / len(draws))
    # Draws of one chain are correlated: ask for a third of their number. States that are to be
    # expected a few times only are not normally distributed.
    number = len(draws) / 3
    error = np.sqrt(truth.joint * (1 - truth.joint) / number)
    off = np.abs(joint - truth.joint)
    common = truth.joint * number > 10
    assert (joint[truth.joint == 0] == 0).all()
    return max(z.max(), (off / np.maximum(error, 1e-9))[common].max())


@pytest.mark.parametrize("name", FERROMAGNETS)
def test_awkward_ferromagnets_against_brute_force(name):
    factors = condition(FERROMAGNETS[name])
    result = SwendsenWang().run(factors, plan())
    assert largest_z(result, factors) < 5
    assert result.states.dtype == np.uint8
    np.testing.assert_allclose(result.stats["log_joint"], factors.log_joint(result.states))
    json.dumps(result.summary)


def test_evidence_and_thinning():
    factors = condition(grid(3, 3, 0.5, 0.2, None), {0: 1, 4: 0})
    result = SwendsenWang(thin=2).run(factors, plan(draws=1001))
    assert result.states.shape == (8, 1001, 7)
    assert largest_z(result, factors) < 5


@pytest.mark.parametrize("name", ["Potts with unequal rewards", "copies", "grid in a field"])
def test_numpy_makes_the_same_draws(name):
    model = ferromagnet(condition(FERROMAGNETS[name]))
    found = []
    for engine in (NativeSweep(model), NumpySweep(model)):
        states = np.zeros((3, len(model.cards)), dtype=np.uint8)
        draws = np.empty((3, 50, len(model.cards)), dtype=np.uint8)
        sums = np.zeros((3, *model.field.shape))
        engine(states, 2**63 + 5, 7, 50, range(3), draws, sums)
        found.append((draws, sums))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-9)


def test_draws_do_not_depend_on_threads_or_number_of_chains():
    factors = condition(grid(4, 4, 0.4, 0.1, None))
    one = SwendsenWang().run(factors, plan(chains=5, draws=50, seed=-3)).states
    many = SwendsenWang().run(factors, plan(chains=5, draws=50, seed=-3, threads=4)).states
    few = SwendsenWang().run(factors, plan(chains=2, draws=50, seed=-3)).states
    other = SwendsenWang().run(factors, plan(chains=5, draws=50, seed=4)).states
    np.testing.assert_array_equal(one, many)
    np.testing.assert_array_equal(one[:2], few)
    assert (one != other).any()


def test_without_compiler(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    from probgen.inference.graphical.native import library

    library.open_library.cache_clear()
    result = SwendsenWang().run(condition(grid(2, 2, 0.4, 0.1, None)), plan(draws=50))
    assert result.summary["engine"] == "numpy"
    assert "could not be built" in result.summary["notes"][0]


def test_no_draws():
    result = SwendsenWang().run(condition(grid(2, 2, 0.4, 0.1, None)), plan(draws=0))
    assert result.states.shape == (8, 0, 4)
    assert np.isnan(result.marginals.probabilities).all()


def test_interrupted_runs_keep_what_is_finished():
    def interrupt(done, total, what):
        if done > 20 + 300:
            raise KeyboardInterrupt

    factors = condition(grid(3, 3, 0.4, 0.1, None))
    result = SwendsenWang().run(factors, GraphPlan(4, 100_000, 20, 1, 1, interrupt))
    assert result.summary["interrupted"]
    assert 0 < result.states.shape[1] < 100_000
    assert np.isfinite(result.marginals.probabilities).all()


def test_clusters_that_never_formed_are_no_proof():
    """Of 50 draws none opens the edge, so all say the same; yet they are not the truth."""
    loose = network([2, 2], ((0, 1), ising(0.004)), ((0,), [0.0, 2.0]))
    factors = condition(loose)
    result = SwendsenWang().run(factors, plan(chains=1, draws=50, warmup=0, seed=3))
    off = np.abs(result.marginals.probabilities - np.concatenate(brute_force(factors).marginals))
    assert off.max() > 1e-4
    assert (off < 5 * result.marginals.errors).all()
    assert result.marginals.errors.max() < 0.05


@pytest.mark.parametrize("thin", [1, 3])
def test_an_interrupt_within_a_slice_leaves_marginals_whole(monkeypatch, thin):
    """Sums of sweeps that are not counted as draws would make probabilities of more than one."""
    sweep, calls = NativeSweep.__call__, []

    def interrupted(self, *arguments):
        sweep(self, *arguments)
        calls.append(len(calls))
        if len(calls) == 20:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(NativeSweep, "__call__", interrupted)
    factors = condition(grid(40, 40, 0.4, 0.1, None))
    run = GraphPlan(chains=4, draws=20_000, warmup=0, seed=1, threads=1)
    result = SwendsenWang(thin).run(factors, run)
    assert result.summary["interrupted"]
    assert 0 < result.states.shape[1] < 20_000
    np.testing.assert_allclose(result.marginals.probabilities.reshape(-1, 2).sum(axis=1), 1)


def test_at_the_critical_point_clusters_beat_single_sites():
    """Magnetisation of a 16 x 16 torus: autocorrelation of a few sweeps, not of hundreds."""
    side = 16
    coupling = 0.5 * np.log(1 + np.sqrt(2))
    at = np.arange(side * side).reshape(side, side)
    pairs = [*zip(at.ravel(), np.roll(at, -1, 0).ravel(), strict=True),
             *zip(at.ravel(), np.roll(at, -1, 1).ravel(), strict=True)]  # fmt: skip
    torus = network([2] * side**2, *((pair, ising(coupling)) for pair in pairs))
    result = SwendsenWang().run(condition(torus), plan(chains=2, draws=2000, warmup=100))
    size = np.abs(2 * result.states.mean(axis=2) - 1)
    size = size - size.mean()
    lag = 10
    correlation = (size[:, lag:] * size[:, :-lag]).mean() / (size**2).mean()
    assert correlation < 0.25


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (((0, 1, 2), np.ones((2, 2, 2))), r"over \('v0', 'v1', 'v2'\) has 3 variables"),
        (((0, 1), [[ZERO, 0], [0, 0]]), r"\('v0', 'v1'\) is none: it has zeros"),
        (((3, 4), -potts(3, 1.0)), r"\('v3', 'v4'\) is none: it prefers unequal states"),
        (((3, 4), [[0, 1, 2], [3, 0, 1], [0, 0, 0]]), "unequal states differ by more"),
        (((0, 3), [[0, 1, 2], [3, 0, 1]]), "different numbers of states"),
    ],
)
def test_other_networks_are_refused(factor, message):
    factors = condition(network([2, 2, 2, 3, 3], factor))
    assert not is_ferromagnetic(factors)
    with pytest.raises(ModelError, match=message):
        SwendsenWang().run(factors, plan())


def test_frustration_is_refused():
    triangle = network([2] * 3, *((pair, ising(-0.5)) for pair in TRIANGLE))
    with pytest.raises(ModelError, match="odd number of negative couplings"):
        SwendsenWang().run(condition(triangle), plan())
    assert not is_ferromagnetic(condition(POSITIVE["grid"]))


def test_tied_variables_without_a_common_state_are_an_error():
    factors = condition(network([2, 2, 2], ((0, 1), [[0, ZERO], [ZERO, 0]]), ((0,), [0, ZERO]),
                                ((1,), [ZERO, 0])))  # fmt: skip
    with pytest.raises(ModelError, match="factors of 'network' contradict each other"):
        SwendsenWang().run(factors, plan())


@pytest.mark.parametrize("thin", [0, 1.5, True])
def test_wrong_options_are_refused(thin):
    with pytest.raises(OptionError, match="thin"):
        SwendsenWang(thin=thin)


MUTATIONS = {
    "unlike ends are joined": ("x[a] == x[b] && uniform", "uniform", "grid in a field"),
    "edges open too rarely": ("uniform[e] < m.open", "2 * uniform[e] < m.open", "Potts"),
    "fields of the root only": (
        "log_weight[parent[v] * s + k] += m.field[v * s + k];",
        "log_weight[v * s + k] += m.field[v * s + k];",
        "grid in a field",
    ),
    "open edges do not weigh": ("if (!m.weight) return;", "return;", "Potts with unequal rewards"),
    "states are drawn evenly": ("u *= total;", "u *= total * 0.7;", "Potts"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_samplers_are_noticed(mutation, monkeypatch):
    old, new, name = MUTATIONS[mutation]
    text = source("swendsen_wang.cpp")
    assert text.count(old) == 1, "the mutation no longer fits the source"
    broken = build(text.replace(old, new), "swendsen_wang_broken")
    monkeypatch.setattr(NativeSweep, "library", broken)
    factors = condition(FERROMAGNETS[name])
    assert largest_z(SwendsenWang().run(factors, plan()), factors) > 5
