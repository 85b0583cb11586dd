"""What learning comes to, by exact likelihoods: bars and stripes, and small digits."""

import itertools
import math

import pytest
import torch

from probgen.learn.boltzmann.enumeration import exact_log_partition
from probgen.learn.boltzmann.methods import CD, PCD
from probgen.learn.boltzmann.start import moments, start_from
from probgen.learn.training.schedules import Linear
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from tests.learn.boltzmann.drive import decoded, learn


def log_likelihood(machine, data):
    return -machine.free_energy(data).mean().item() - exact_log_partition(machine)


def bars_and_stripes(side=4):
    """All pictures of full rows, or of full columns, each once: 30 of 4x4."""
    lines = torch.tensor(list(itertools.product([0.0, 1.0], repeat=side)))
    rows = lines[:, :, None].expand(-1, side, side).flatten(1)
    columns = lines[:, None, :].expand(-1, side, side).flatten(1)
    return torch.unique(torch.cat([rows, columns]), dim=0)


@pytest.mark.slow
def test_bars_and_stripes_come_within_half_a_nat_of_their_entropy():
    method = PCD(learning_rate=Linear(0.1, 0.0), chains=200, weight_decay=1e-3)
    data = bars_and_stripes()
    assert len(data) == 30
    machine = BoltzmannMachine([Units("x", 16), Units("h", 16)], seed=1)
    learn(machine, method, data.repeat(4, 1), epochs=4000, batch=60)
    floor = -math.log(30)
    assert floor - 0.5 < log_likelihood(machine, data) < floor


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return torch.from_numpy(load_digits().data >= 8).float()


def digits_machine(data):
    machine = BoltzmannMachine([Units("x", 64), Units("h", 12)], seed=1)
    start_from(machine, *moments(machine, [decoded(machine, data)]))
    return machine


@pytest.mark.slow
@pytest.mark.parametrize("matmul", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["pcd", "cd"])
def test_digits_reach_their_likelihood_in_either_arithmetic(digits, name, matmul):
    settings = {"learning_rate": Linear(0.1, 0.0), "matmul": matmul}
    method = {"pcd": PCD(**settings), "cd": CD(**settings)}[name]
    machine = digits_machine(digits)
    learn(machine, method, digits, epochs=300)
    assert log_likelihood(machine, digits) > -19.1


@pytest.mark.slow
def test_digits_are_learned_in_seconds(digits):
    machine = digits_machine(digits)
    before = log_likelihood(machine, digits)
    learn(machine, PCD(learning_rate=Linear(0.1, 0.0)), digits, epochs=60)
    assert log_likelihood(machine, digits) > before + 4
