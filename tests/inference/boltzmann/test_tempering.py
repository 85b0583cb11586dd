"""Parallel tempering: right where plain Gibbs is stuck, and faults in it are seen."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.inference.boltzmann import path, tempering
from probgen.inference.boltzmann.base import base_of_states
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.inference.boltzmann.agreement import SURELY_WRONG, errors, listed
from tests.inference.boltzmann.likelihood.machines import machine

SIZE = {"chains": 32, "draws": 250, "warmup": 120, "seed": 3, "progress": False}
METHOD = pg.ParallelTempering(sweeps=1)


def two_modes(coupling=2.5):
    """All units on, or all off; the first visible one has a field of its own."""
    model = BoltzmannMachine([Units("x", 8), Units("h", 3)])
    with torch.no_grad():
        model.weights[0].fill_(coupling)
        model.biases[0].fill_(-1.5 * coupling)
        model.biases[0][0] += 0.7
        model.biases[1].fill_(-4 * coupling)
    return model


def tempered(model, data=None, method=METHOD, **options):
    return pg.infer(model, method, data=data, **{**SIZE, **options})


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "name", [pytest.param("binary", marks=slow), "classes", pytest.param("deep", marks=slow)]
)
def test_tempered_units_are_on_as_often_as_the_machine_says(name):
    assert errors(tempered(machine(name)), listed(machine(name))) < SURELY_WRONG


def test_tempered_units_are_drawn_given_the_others():
    data = {"x": [1, np.nan, 0, np.nan, np.nan, 1, 0]}
    found = tempered(machine("binary"), data)
    assert errors(found, listed(machine("binary"), data)) < SURELY_WRONG


def test_tempering_cures_what_gibbs_is_flagged_for():
    stuck = pg.infer(two_modes(), pg.Gibbs(), **SIZE)
    assert not pg.diagnose(stuck).trustworthy
    assert max(pg.diagnose(stuck).table["r_hat"]) > 1.5
    cured = tempered(two_modes(), method=pg.ParallelTempering(), draws=600)
    assert pg.diagnose(cured).trustworthy
    assert errors(cured, listed(two_modes())) < SURELY_WRONG
    assert cured.attrs["round_trips"] > 100
    positions, acceptance = (json.loads(cured.attrs[n]) for n in ("positions", "swap_acceptance"))
    assert (positions[0], positions[-1]) == (0, 1)
    assert positions == sorted(positions)
    assert len(positions) == cured.attrs["levels"] >= 3
    assert min(acceptance) > 0.3  # placed so that all neighbours swap alike
    assert max(acceptance) - min(acceptance) < 0.25


def test_too_few_levels_are_noted():
    found = tempered(two_modes(6.0), method=pg.ParallelTempering(levels=2), draws=50, warmup=20)
    assert "round trips" in found.attrs["notes"] or "take more levels" in found.attrs["notes"]
    assert not pg.diagnose(found).trustworthy


@slow
def test_gaussian_machines_are_tempered():
    model = machine("gaussian", scale=0.8)
    found = tempered(model, draws=600)["posterior"]["x"].astype(float)
    exact = pg.infer(model, pg.Exact(), chains=32, draws=2000, seed=1)["posterior"]["x"]
    for power in (1, 2):
        ours, theirs = (t.values.astype(float) ** power for t in (found, exact))
        spread = np.hypot(ours.mean(1).std(0), theirs.mean(1).std(0)) / 32**0.5
        assert (abs(ours.mean((0, 1)) - theirs.mean((0, 1))) < SURELY_WRONG * spread).all()


def swapped_sign(monkeypatch):
    """Swaps that go against the density."""
    right = tempering.swap_acceptance
    monkeypatch.setattr(tempering, "swap_acceptance", lambda p, gains: right(p, -gains))


def no_base(monkeypatch):
    """Swaps that forget the independent units, towards which sweeps go."""
    monkeypatch.setattr(tempering, "gain", lambda model, states, _: -model.energy(states))


def cold_biases(monkeypatch):
    """Sweeps whose couplings have a temperature and whose biases have none."""

    def sweep(model, states, stream, position, base, clamp):
        new, share = list(states), position[:, None]
        for layer in (1, 0):
            bias = model.biases[layer]
            activation = share * (model.activation(layer, new) - bias) + bias
            new[layer] = model.draw(layer, activation, stream)
        return new

    monkeypatch.setattr(tempering, "sweep_at", sweep)


def every_swap(monkeypatch):
    """Swaps that are never refused."""
    right = tempering.swap_acceptance
    monkeypatch.setattr(tempering, "swap_acceptance", lambda p, g: torch.ones_like(right(p, g)))


@pytest.mark.parametrize("broken", [swapped_sign, no_base, cold_biases, every_swap])
def test_broken_swaps_and_temperatures_are_caught(broken, monkeypatch):
    broken(monkeypatch)
    method = pg.ParallelTempering(levels=4, sweeps=1)
    found = tempered(machine("binary", scale=1.5), method=method)
    assert errors(found, listed(machine("binary", scale=1.5))) > SURELY_WRONG


def test_the_path_begins_at_the_independent_units_and_ends_at_the_machine():
    model, ends = machine("binary"), torch.tensor([0.0, 1.0]).repeat_interleave(20_000)
    base = [torch.linspace(-2, 2, width).expand(40_000, -1) for width in (7, 5)]
    states = [torch.zeros(40_000, 7), torch.zeros(40_000, 5)]
    with torch.no_grad():
        found = path.sweep_at(model, states, Stream(1), ends, base, None)
        own = path.sweep_at(model, found, Stream(2), ends, base, None)
        exact = model.mean(1, model.activation(1, found))
    assert torch.allclose(found[0][:20_000].mean(0), base[0][0].sigmoid(), atol=0.02)
    assert torch.allclose(own[1][20_000:].mean(0), exact[20_000:].mean(0), atol=0.02)


def test_the_gain_is_the_derivative_along_the_path():
    """Two levels swap by log density of one less the other's: so it must be that of sweeps."""
    model = machine("classes")
    random = [torch.rand(50, width) for width in model.widths]
    base = [torch.randn(50, width) for width in model.widths]
    with torch.no_grad():
        found = path.gain(model, random, base)
        own = sum((state * a).sum(-1) for state, a in zip(random, base, strict=True))
        assert torch.allclose(found, -model.energy(random) - own, atol=1e-4)


def test_the_hot_end_keeps_rates_and_favours_no_mode():
    model = BoltzmannMachine([Units("x", 20), Units("h", 2)])
    uniform = torch.rand(500, 1, 13, generator=torch.Generator().manual_seed(1))
    lone, hidden = (uniform[..., :10] < 0.1).float(), (uniform[..., 10:12] < 0.5).float()
    together = (uniform[..., 12:] < 0.7).float().expand(-1, -1, 10)
    found = base_of_states(model, [torch.cat([lone, together], -1), hidden])[0][0]
    assert ((found[:10] < -0.9) & (found[:10] > -2.2)).all()  # log-odds of the rate: -2.2
    assert (found[10:] > 0).all()
    assert found[10:].sum() < 1.5  # the modes' log-odds are 0.85; ten times that by rates
