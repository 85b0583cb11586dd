"""NUTS and HMC on machines: the units drawn afterwards have the law of the machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import ModelError, OptionError
from probgen.nets.boltzmann.relaxed import Relaxed
from tests.inference.boltzmann.agreement import SURELY_WRONG, errors, listed
from tests.inference.boltzmann.likelihood.machines import machine, restricted

SIZE = {"chains": 8, "draws": 800, "warmup": 300, "seed": 2, "progress": False}


def drawn(model, method, data=None, **options):
    return pg.infer(model, method, data=data, **{**SIZE, **options})


@pytest.mark.parametrize(
    "method",
    [pytest.param(pg.NUTS(), id="NUTS", marks=pytest.mark.slow), pytest.param(pg.HMC(), id="HMC")],
)
def test_relaxed_units_are_on_as_often_as_the_machine_says(method):
    model = restricted(6, 4)
    found = drawn(model, method)
    assert found.attrs["backend"] == "native"
    assert found.attrs["density"] == "Gaussian relaxation"
    assert found["posterior"]["x"].dtype == np.int8
    assert errors(found, listed(model)) < SURELY_WRONG
    assert pg.diagnose(found).trustworthy


def test_relaxed_units_are_drawn_given_the_others():
    model, data = restricted(6, 4), {"x": [1, np.nan, 0, np.nan, np.nan, 1]}
    assert errors(drawn(model, pg.NUTS(), data), listed(model, data)) < SURELY_WRONG


@pytest.mark.slow
def test_deep_and_categorical_machines_are_relaxed():
    for name in ("deep", "classes"):
        assert errors(drawn(machine(name), pg.HMC()), listed(machine(name))) < SURELY_WRONG


def test_gaussian_units_are_sampled_on_the_free_energy():
    model = machine("gaussian", scale=0.7)
    found = drawn(model, pg.NUTS())
    assert found.attrs["density"] == "free energy"
    assert "marginals" not in found.children
    stats = found["sample_stats"]
    assert np.allclose(stats["lp"], -stats["free_energy"], atol=1e-6)
    exact = pg.infer(model, pg.Exact(), chains=8, draws=4000, seed=1)["posterior"]
    for site in ("x", "h"):
        for power in (1, 2):
            ours, theirs = (
                t[site].values.astype(float) ** power for t in (found["posterior"], exact)
            )
            spread = np.hypot(ours.mean(1).std(0, ddof=1), theirs.mean(1).std(0, ddof=1)) / 8**0.5
            gap = abs(ours.mean((0, 1)) - theirs.mean((0, 1)))
            assert (gap < 2 * SURELY_WRONG * spread).all()  # 8 chains: heavy tails


def no_shift(monkeypatch):
    """Biases that are not corrected for the diagonal."""
    right = Relaxed.__init__

    def broken(self, model, clamp, rows):
        right(self, model, clamp, rows)
        self.offset = torch.cat([bias.double() for bias in model.biases])

    monkeypatch.setattr(Relaxed, "__init__", broken)


def no_draw(monkeypatch):
    """The more probable state of each unit in place of a draw."""
    monkeypatch.setattr(
        Relaxed, "states", lambda self, z, _: [(a > 0).double() for a in self.activations(z)]
    )


@pytest.mark.parametrize("broken", [no_shift, no_draw])
def test_broken_relaxations_are_caught(broken, monkeypatch):
    model = restricted(6, 4)
    broken(monkeypatch)
    assert errors(drawn(model, pg.HMC()), listed(model)) > SURELY_WRONG


def test_options_of_densities_are_heard_and_refused_elsewhere():
    found = drawn(restricted(4, 3), pg.HMC(), draws=20, warmup=20, keep_warmup=True, thin=2)
    assert found["warmup_posterior"]["x"].shape == (8, 20, 4)
    with pytest.raises(OptionError, match="backend= is for NUTS"):
        pg.infer(restricted(4, 3), pg.Gibbs(), backend="torch")


def test_machines_without_a_density_name_the_way_out():
    with pytest.raises(ModelError, match=r"Gibbs\(\)"):
        drawn(machine("gaussian and classes"), pg.NUTS())
