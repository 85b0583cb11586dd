"""Annealed log Z against exact sums; error bars are calibrated; broken walks are noticed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probgen.errors import OptionError, SamplingError
from probgen.inference.boltzmann.likelihood import choose
from probgen.inference.boltzmann.likelihood import path as path_module
from probgen.inference.boltzmann.likelihood import walk as walk_module
from probgen.inference.boltzmann.likelihood.base import base_biases
from probgen.inference.boltzmann.likelihood.estimate import log_partition
from probgen.inference.boltzmann.likelihood.exact import exact_log_partition
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.inference.log_likelihood import log_likelihood
from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.listing import states_of
from probgen.nets.stream import Stream
from tests.inference.boltzmann.likelihood.machines import (
    LAYERS,
    bars_and_stripes,
    machine,
    restricted,
)
from tests.inference.graphical.mutants import mutant


def linear(betas, **options):
    return AnnealedImportance(betas=betas, schedule="linear", sweeps=1, **options)


@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_machine(name):
    own = machine(name, scale=0.8)
    exact = log_partition(own, Exact()).value
    base = "uniform" if name.startswith("deep") else "fields"
    found = log_partition(own, linear(100, base=base), chains=1500, seed=3)
    assert abs(found.value - exact) < min(0.1, 5 * found.error)
    assert abs(found.above - exact) < min(0.15, 5 * found.above_error)
    assert found.reliable
    assert found.interval[0] < found.value < found.interval[1]


@pytest.mark.parametrize("schedule", ["linear", "sigmoid", "three-part", "adaptive"])
def test_strong_weights(schedule):
    own = restricted(12, 8, 1, scale=2.5)
    method = AnnealedImportance(betas=400, schedule=schedule, sweeps=1, reverse=False)
    found = log_partition(own, method, chains=500, seed=1)
    assert abs(found.value - log_partition(own, Exact()).value) < 0.1


def stored_bars(strength=3.0):
    """A machine with deep modes at the bars and stripes: hidden units that each like a line."""
    own = restricted(16, 8)
    lines = torch.eye(4)
    rows = lines[:, :, None].expand(-1, 4, 4).reshape(4, 16)
    columns = lines[:, None, :].expand(-1, 4, 4).reshape(4, 16)
    with torch.no_grad():
        own.weights[0].copy_(strength * torch.cat([rows, columns]).T)
        own.biases[0].fill_(-strength)
        own.biases[1].fill_(-strength)
    return own


def test_bars_and_stripes():
    own, images = stored_bars(), bars_and_stripes()
    assert images.shape == (30, 16)
    exact = log_likelihood(own, images, Exact())
    found = log_likelihood(own, images, linear(300), chains=300, seed=1)
    assert abs(found.log_z.value - exact.log_z.value) < 0.1
    assert abs(found.mean - exact.mean) < 0.1
    assert found.error < 0.05
    assert found.log_z.settings["base"] == "data"


def scores(path=path_module, walk=walk_module, seeds=8, betas=15):
    """How far estimates of log Z are off, forward and back, in their errors, (seeds, 2)."""
    found = []
    for seed in range(seeds):
        own = restricted(8, 5, seed, scale=1.5)
        log_z = exact_log_partition(own).value
        way = path.Path(own, base_biases(own, "uniform"))
        stream, positions = Stream(seed), np.linspace(0, 1, betas + 1)
        there = walk.forward(way, positions, 300, 3, stream)[1]
        states = [torch.zeros(300, width) for width in own.widths]
        with torch.no_grad():
            for _ in range(100):
                states = sweep(own, states, stream)
        back = walk.backward(way, positions, [states[0], None], 3, stream)
        found.append(
            [
                (way.log_base + there.log_mean - log_z) / there.log_mean_error,
                (way.log_base - back.log_mean - log_z) / back.log_mean_error,
            ]
        )
    return np.array(found)


def spread(found):
    return np.sqrt(np.square(found).mean(axis=0))


def test_error_bars_are_calibrated():
    found = scores(seeds=24)
    assert (spread(found) > 0.7).all()
    assert (spread(found) < 1.35).all()


_STEP = "log += rise.step(start, stop)"
BROKEN = {
    "the base forgets a layer": (
        path_module,
        "for layer, b in layers]",
        "for layer, b in layers if layer < 1]",
    ),
    "weights of the wrong sign": (
        path_module,
        "+ s * activation",
        "+ s * (2 * self.machine.biases[layer] - activation)",
    ),
    "transitions at the position before": (
        walk_module,
        "path.sweep(rise, stop, stream)",
        "path.sweep(rise, start, stream)",
    ),
    "the first weight is not counted": (walk_module, _STEP, f"{_STEP} if start else 0"),
    "the last weight is not counted": (walk_module, _STEP, f"{_STEP} if stop < 1 else 0"),
    "odd layers are drawn at the end of the path": (
        path_module,
        "self._mix(layer, activation, s), stream)\n        new:",
        "activation, stream)\n        new:",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_walks_are_noticed(what):
    module, old, new = BROKEN[what]
    where = "path" if module is path_module else "walk"
    assert spread(scores(**{where: mutant(module, old, new)}))[0] > 2


def test_few_particles_leave_the_estimates_on_their_sides():
    """Below log Z on average going forward; walking back from draws, above."""
    own = restricted(8, 5, 3, scale=1.5)
    log_z = exact_log_partition(own).value
    way = path_module.Path(own, base_biases(own, "uniform"))
    states = [torch.zeros(600, width) for width in own.widths]
    for number in range(200):
        states = sweep(own, states, Stream(number))
    there = walk_module.forward(way, np.linspace(0, 1, 5), 600, 1, Stream(1))[1].log
    back = walk_module.backward(way, np.linspace(0, 1, 5), [states[0], None], 1, Stream(2)).log
    for off in (log_z - way.log_base - there, way.log_base - back - log_z):
        assert off.mean() > 4 * off.std() / np.sqrt(len(off))


def test_conservative_estimates_are_below():
    """With few positions, walks back from draws of the machine are far below its likelihood."""
    own = restricted(12, 6, 3, scale=2.5)
    draws = [torch.zeros(400, width) for width in own.widths]
    for number in range(300):
        draws = sweep(own, draws, Stream(number))
    exact = log_likelihood(own, draws[0], Exact())
    found = log_likelihood(own, draws[0], linear(10, base="uniform"), chains=200, seed=1)
    below = found.conservative
    off = exact.cases[below.numbers] - below.cases
    assert off.mean() > 4 * off.std() / np.sqrt(len(off))
    assert below.gap == pytest.approx(off.mean(), abs=4 * found.error)


def test_too_few_positions_are_refused_with_a_cure():
    own = restricted(60, 40, 1, scale=1.0)
    with pytest.raises(SamplingError, match=r"particles carry.*more betas \(now 20\)"):
        log_partition(own, linear(20, base="uniform"), seed=1)


def test_walks_that_disagree_are_refused(monkeypatch):
    """A path whose forward walks miss a mode: weights look even, but data lie elsewhere."""
    own = restricted(20, 1)
    with torch.no_grad():
        own.weights[0].fill_(4.0)
        own.biases[0].fill_(-2.0)
        own.biases[1].fill_(-38.0)
    modes = torch.cat([torch.zeros(5, 20), torch.ones(5, 20)])
    exact = log_partition(own, Exact()).value
    blind = linear(30, base="fields")
    alone = log_partition(
        own, AnnealedImportance(betas=30, schedule="linear", reverse=False), seed=1
    )
    assert not alone.reliable
    assert alone.value < exact - 0.3
    with pytest.raises(SamplingError, match="walks back"):
        log_partition(own, blind, data=modes, seed=1)


@pytest.mark.parametrize("name", ["binary", "gaussian and classes", "deep"])
def test_the_same_seed_gives_the_same_bits(name):
    own = machine(name)
    first, again, other = (log_partition(own, linear(30), seed=s) for s in (5, 5, 6))
    assert first.value == again.value
    assert first.above == again.above
    assert first.value != other.value


def test_the_default_is_exact_where_that_is_soon_done():
    assert log_partition(restricted(30, 10)).method == "Exact"
    assert states_of(restricted(30, 10), [1]) == 10


def test_base_rates_come_from_the_data():
    own = machine("gaussian and classes")
    classes = torch.tensor([[0], [0], [0], [2]])
    state = own.encode(0, {"x": torch.full((4, 3), 2.0), "y": classes})
    base = base_biases(own, "data", state)[0]
    torch.testing.assert_close(base[:3], torch.full((3,), 2.0))
    torch.testing.assert_close(base[3:].softmax(0), torch.tensor([4, 1, 2]) / 7)
    with pytest.raises(OptionError, match="needs data"):
        log_partition(own, linear(10, base="data"))


def test_other_methods_are_refused():
    with pytest.raises(OptionError, match="AnnealedImportance"):
        log_partition(machine("binary"), "ais")
    with pytest.raises(OptionError, match="two particles"):
        log_partition(machine("binary"), linear(10), chains=1)


def test_small_walks_have_one_thread(monkeypatch):
    before, seen = torch.get_num_threads(), []

    def walked(*_):
        seen.append(torch.get_num_threads())

    monkeypatch.setattr(choose, "annealed_log_partition", walked)
    torch.set_num_threads(3)
    try:
        for chains in (10, 1000):
            choose.partition(restricted(300, 100), AnnealedImportance(), None, chains, 1)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 3]
