"""Block Gibbs: draws of every kind of machine have its law, free or given some units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.inference.boltzmann import kernel
from probgen.inference.boltzmann.evidence import read_evidence
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.boltzmann.start import starting_states
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.inference.boltzmann.agreement import SURELY_WRONG, errors, listed
from tests.inference.boltzmann.likelihood.machines import machine, randomised

NAN = np.nan
SIZE = {"chains": 64, "draws": 250, "warmup": 50, "seed": 4, "progress": False}
GIVEN = {
    "binary": {"x": [1, NAN, 0, NAN, NAN, 1, 0]},
    "classes": {"y": [2]},
    "categorical": {"x": [0, NAN, 2]},
    "deep": {"h": [NAN, 1, 0, NAN]},
}


def drawn(model, data=None, **options):
    return pg.infer(model, pg.Gibbs(), data=data, **{**SIZE, **options})


@pytest.mark.parametrize(
    "name", ["binary", "categorical", "categorical hidden", "classes", "deep"]
)
def test_units_are_on_as_often_as_the_machine_says(name):
    assert errors(drawn(machine(name)), listed(machine(name))) < SURELY_WRONG


@pytest.mark.parametrize("name", GIVEN)
def test_free_units_are_drawn_given_the_others(name):
    data = GIVEN[name]
    found = drawn(machine(name), data)
    assert errors(found, listed(machine(name), data)) < SURELY_WRONG
    for site, values in data.items():
        if site in found["posterior"]:
            known = ~np.isnan(np.array(values, float))
            assert (found["posterior"][site].values[..., known] == np.array(values)[known]).all()


def test_cases_are_posteriors_side_by_side():
    cases = np.array([[1, NAN, 0, NAN, NAN, 1, 0], [NAN] * 7, [0, 0, 0, 0, NAN, NAN, NAN]])
    found = drawn(machine("binary"), {"x": cases})
    assert found["posterior"]["x"].dims == ("chain", "draw", "case", "x_dim_0")
    truth = {}
    for case, values in enumerate(cases):
        own = listed(machine("binary"), {"x": values})
        truth |= {label.replace("[", f"[{case}, "): value for label, value in own.items()}
    assert errors(found, truth) < SURELY_WRONG


def test_gaussian_units_have_the_moments_of_their_mixture():
    model = machine("gaussian", scale=0.7)
    found = drawn(model, draws=600)["posterior"]
    exact = pg.infer(model, pg.Exact(), chains=64, draws=600, seed=1)["posterior"]
    for site in ("x", "h"):
        for power in (1, 2):
            ours, theirs = (t[site].astype(float).values ** power for t in (found, exact))
            spread = np.hypot(ours.mean(1).std(0), theirs.mean(1).std(0)) / 8  # of 64 chains
            assert (abs(ours.mean((0, 1)) - theirs.mean((0, 1))) < SURELY_WRONG * spread).all()


def broken_draw(monkeypatch):
    """The most probable state in place of a draw."""
    monkeypatch.setattr(
        Units, "draw", lambda units, activation, *_: (units.mean(activation) > 0.5).to(activation)
    )
    monkeypatch.setattr(kernel, "sweep", _sweep_by_draw)


def broken_bias(monkeypatch):
    """Hidden units without their biases."""

    def sweep(model, states, stream, clamp=None):
        biases = model.biases[1].clone()
        model.biases[1].zero_()
        states = _sweep_by_draw(model, states, stream, clamp=clamp)
        model.biases[1].copy_(biases)
        return states

    monkeypatch.setattr(kernel, "sweep", sweep)


def broken_clamp(monkeypatch):
    """Given units that are drawn anew at every sweep, and put back too late."""

    def sweep(model, states, stream, clamp=None):
        free = _sweep_by_draw(model, states, stream)
        return _sweep_by_draw(model, free, stream, clamp=clamp)

    monkeypatch.setattr(kernel, "sweep", sweep)


def _sweep_by_draw(model, states, stream, clamp=None):
    new = list(states)
    for number in (1, 0):
        new[number] = model.draw(number, model.activation(number, new), stream)
        if clamp and number in clamp:
            new[number] = torch.where(clamp[number][0], clamp[number][1], new[number])
    return new


@pytest.mark.parametrize("broken", [broken_draw, broken_bias, broken_clamp])
def test_broken_sweeps_are_caught(broken, monkeypatch):
    data = GIVEN["binary"]
    broken(monkeypatch)
    assert errors(drawn(machine("binary"), data), listed(machine("binary"), data)) > SURELY_WRONG


def test_the_log_densities_are_those_of_the_draws():
    model = machine("binary")
    found = drawn(model, chains=3, draws=20)
    parts = [torch.tensor(found["posterior"][n].values).float().flatten(0, 1) for n in "xh"]
    with torch.no_grad():
        log_joint, free = -model.energy(parts), model.free_energy(parts[0])
    stats = found["sample_stats"]
    assert np.allclose(stats["log_joint"].values.ravel(), log_joint, atol=1e-4)
    assert np.allclose(stats["free_energy"].values.ravel(), free, atol=1e-4)


def test_chains_that_do_not_mix_are_flagged():
    """Two far modes: every chain stays in one."""
    model = BoltzmannMachine([Units("x", 10), Units("h", 4)])
    with torch.no_grad():
        model.weights[0].fill_(3.0)
        model.biases[0].fill_(-6.0)
        model.biases[1].fill_(-15.0)
    verdict = pg.diagnose(drawn(model, chains=16, draws=200))
    assert not verdict.trustworthy
    assert any(finding.check == "R-hat" for finding in verdict.findings)
    assert "ParallelTempering()" in str(verdict)


def test_chains_start_in_different_modes():
    layers = [Units("x", 12), Units("h", 6)]
    model = randomised(BoltzmannMachine(layers), 0, 0.1)
    rows = Layout(model, read_evidence(model, None), 400, True)
    on = starting_states(rows, Stream(1))[1].mean(1)
    assert on.std() > 0.25  # coin tosses would have 0.2; a uniform rate 0.29 and noise
