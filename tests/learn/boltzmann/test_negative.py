"""Whether the mean of a gradient is the gradient of the likelihood, by z-tests.

At fixed parameters: contrastive divergence is biased and less so the more sweeps; persistent
chains, tempered or not, are unbiased once they have mixed, and so is what the fast path makes.
"""

import pytest
import torch

from probgen.learn.boltzmann.binary import BinaryGradient
from probgen.learn.boltzmann.enumeration import expected_gradient
from probgen.learn.boltzmann.gradient import energy_gradient
from probgen.learn.boltzmann.negative import ChainsFromData, PersistentChains
from probgen.learn.boltzmann.tempered import TemperedChains
from probgen.nets.boltzmann.block import draw_layer, sweep
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream

BIASED = 10.0  # of the largest |z| of some 30 coordinates
UNBIASED = 4.5


def machine_and_data(cases=400):
    machine = BoltzmannMachine([Units("x", 5), Units("h", 4)], weight_scale=1.5, seed=3)
    random = torch.Generator().manual_seed(1)
    data = (
        torch.rand(cases, 5, generator=random) < torch.tensor([0.9, 0.8, 0.5, 0.2, 0.1])
    ).float()
    return machine, data


def positive(machine, data):
    return [data, machine.mean(1, machine.activation(1, [data, None])).detach()]


def largest_z(machine, estimates, wanted):
    """The largest |z| of the mean of gradients against the wanted one, over all coordinates."""
    stacked = torch.stack([torch.cat([part[n].flatten() for n in wanted]) for part in estimates])
    truth = torch.cat([wanted[name].flatten() for name in wanted])
    error = stacked.double().std(0) / len(stacked) ** 0.5
    return float(((stacked.double().mean(0) - truth.double()) / error).abs().max())


def z_of(negative, repeats=40, warm=0, data=None):
    machine, own = machine_and_data()
    up = positive(machine, own if data is None else data)
    stream = Stream(11)
    draw = [negative.expectation(machine, up, None, stream) for _ in range(warm + repeats)]
    truth = expected_gradient(machine)
    return largest_z(machine, draw[warm:], {n: p for n, p in truth.items() if p.numel()})


def test_one_sweep_from_the_data_is_biased():
    assert z_of(ChainsFromData(1)) > BIASED


@pytest.mark.slow
def test_five_hundred_sweeps_from_the_data_are_not():
    assert z_of(ChainsFromData(500)) < UNBIASED


@pytest.mark.slow
def test_sixty_sweeps_from_the_data_are_not_biased_here():
    assert z_of(ChainsFromData(60)) < UNBIASED


class Independent:
    """Chains that have mixed, anew for every estimate, so that these are independent."""

    def __init__(self, make, steps=1):
        self.make, self.steps = make, steps

    def expectation(self, machine, up, absent, stream):
        chains = self.make()
        for _ in range(self.steps):
            found = chains.expectation(machine, up, absent, stream)
        return found


@pytest.mark.parametrize("kind", ["plain", pytest.param("tempered", marks=pytest.mark.slow)])
def test_persistent_chains_are_not_biased(kind):
    makes = {
        "plain": lambda: PersistentChains(50, 300),
        "tempered": lambda: TemperedChains(50, 300, (1.0, 0.6, 0.3)),
    }
    assert z_of(Independent(makes[kind]), repeats=40) < UNBIASED


class Forgetful(PersistentChains):
    """Chains that are not kept."""

    def expectation(self, machine, up, absent, stream):
        self.states = []
        return super().expectation(machine, up, absent, stream)


class Stale(PersistentChains):
    """Hidden units of the sweep before in the statistics."""

    def expectation(self, machine, up, absent, stream):
        super().expectation(machine, up, absent, stream)
        earlier = sweep(machine, self.states, stream)
        later = sweep(machine, earlier, stream)
        return energy_gradient(machine, [later[0], draw_layer(machine, 1, earlier, stream)])


class WrongRung(TemperedChains):
    """The hottest chains in place of the cold ones."""

    def expectation(self, machine, up, absent, stream):
        super().expectation(machine, up, absent, stream)
        hot = [state[-self.chains :] for state in self.states]
        return energy_gradient(machine, hot)


class Unbalanced(TemperedChains):
    """Exchanges that are always made."""

    def _exchange(self, machine, stream):
        self.states = [state.roll(self.chains, 0) for state in self.states]


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: Forgetful(1, 300),
        lambda: WrongRung(20, 300, (1.0, 0.6, 0.3)),
        lambda: Unbalanced(20, 300, (1.0, 0.6, 0.3)),
    ],
    ids=["chains not kept", "wrong rung", "exchanges always"],
)
def test_broken_chains_are_found_out(make):
    assert z_of(Independent(make, steps=2), repeats=30) > BIASED


@pytest.mark.slow
def test_hidden_units_of_an_earlier_sweep_are_found_out():
    assert z_of(Independent(lambda: Stale(20, 300)), repeats=30) > BIASED


@pytest.mark.parametrize("matmul", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("broken", [False, True])
def test_the_fast_gradient_is_that_of_the_likelihood(matmul, broken):
    machine, data = machine_and_data(200)
    up = energy_gradient(machine, positive(machine, data))
    down = expected_gradient(machine)
    wanted = {name: up[name] - down[name] for name in ("weights.0", "biases.0", "biases.1")}
    estimates, stream = [], Stream(7)
    for _ in range(40):
        fast = BinaryGradient(machine, 1, 300, matmul)
        for _ in range(3 if broken else 40):
            found, _ = fast(data, stream)
            if broken:
                fast.hidden.zero_()
        estimates.append({name: part.clone() for name, part in found.items()})
    z = largest_z(machine, estimates, wanted)
    if broken:
        assert z > BIASED
    elif matmul == "float32":
        assert z < UNBIASED
    else:  # rounding is a bias: small, if not beside the noise of so many chains
        stacked = torch.stack([e["weights.0"] for e in estimates]).mean(0)
        assert float((stacked - wanted["weights.0"]).abs().max()) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3])
def test_the_fast_path_of_contrastive_divergence_has_the_same_mean(k):
    machine, data = machine_and_data(300)
    up, stream = positive(machine, data), Stream(5)
    at_data, slow, fast = energy_gradient(machine, up), [], []
    quick = BinaryGradient(machine, k, None, "float32")
    for _ in range(60):
        down = ChainsFromData(k).expectation(machine, up, None, stream)
        slow.append({name: at_data[name] - down[name] for name in at_data})
        found, active = quick(data, stream)
        fast.append({name: part.clone() for name, part in found.items()})
    torch.testing.assert_close(active[1], up[1].mean(0))
    names = ("weights.0", "biases.0", "biases.1")
    differences = [{n: a[n] - b[n] for n in names} for a, b in zip(slow, fast, strict=True)]
    zero = {name: torch.zeros_like(at_data[name]) for name in names}
    assert largest_z(machine, differences, zero) < UNBIASED
    other = BinaryGradient(machine, 20, None, "float32")
    longer = [{n: a[n] - other(data, stream)[0][n] for n in names} for a in slow]
    assert largest_z(machine, longer, zero) > UNBIASED
