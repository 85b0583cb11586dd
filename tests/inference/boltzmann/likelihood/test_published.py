"""The machine of Salakhutdinov & Murray (2008): a test log-likelihood of -86.34 nats."""

from __future__ import annotations

import time

import pytest
import torch

from probgen.errors import SamplingError
from probgen.inference.boltzmann.likelihood.estimate import log_partition
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.log_likelihood import log_likelihood
from tests.benchmarks.boltzmann_ais import published_machine
from tests.reference_data import reference_data

FILE = ("rbm", "cd25_500_salakhutdinov_murray.npz")


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_log_likelihood_of_the_published_machine():
    machine, images = published_machine(reference_data(*FILE))
    started = time.process_time()
    found = log_likelihood(machine, images, seed=1)
    assert time.process_time() - started < 120
    assert found.mean == pytest.approx(-86.34, abs=0.3)
    assert 450.9 < found.log_z.value < 451.6
    assert found.ess > 20
    assert found.reliable
    assert -1.5 < -found.conservative.gap < 0


@pytest.mark.parametrize(
    ("schedule", "betas"),
    [pytest.param("linear", 1000, marks=pytest.mark.slow), ("three-part", 100)],
)
def test_too_few_temperatures_are_refused(schedule, betas):
    machine, _ = published_machine(reference_data(*FILE))
    method = AnnealedImportance(betas=betas, schedule=schedule, base="uniform", sweeps=1)
    with pytest.raises(SamplingError, match="Take more betas"):
        log_partition(machine, method, chains=50, seed=1)
