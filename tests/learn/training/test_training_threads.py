"""How many threads a training computes with."""

import pytest
import torch
from torch import nn

import probgen as pg
from probgen.errors import OptionError
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.training.options import TrainingOptions
from probgen.learn.training.protocol import Player
from probgen.learn.training.threads import training_threads
from probgen.models.rbm import RBM


@pytest.fixture(autouse=True)
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


class Learner:
    def __init__(self, module, rows=0):
        self.players = {"own": Player(module, torch.optim.SGD(module.parameters(), 0.1))}
        self.rows = rows


@pytest.mark.parametrize(
    ("module", "rows", "world", "threads"),
    [
        (nn.Linear(64, 32), 0, 1, 1),
        (nn.Linear(1000, 1000), 0, 1, 3),
        (nn.Linear(1000, 1000), 0, 10, 1),
        (nn.Linear(64, 32), 100_000, 1, 3),
        (nn.Sequential(nn.Conv2d(3, 8, 3)), 0, 1, 3),
    ],
    ids=["small", "large", "shared by processes", "many chains", "weights used again and again"],
)
def test_threads_go_by_the_size_of_products(module, rows, world, threads):
    options = TrainingOptions(batch_size=100)
    assert training_threads(Learner(module, rows), options, world) == threads


@pytest.mark.parametrize(("asked", "used"), [(None, 1), (2, 2)])
def test_a_small_machine_is_learned_by_one_thread_unless_asked_otherwise(monkeypatch, asked, used):
    seen, own = set(), BoltzmannLearner.step

    def step(self, batch, loop):
        seen.add(torch.get_num_threads())
        return own(self, batch, loop)

    monkeypatch.setattr(BoltzmannLearner, "step", step)
    data = (torch.rand(200, 16) < 0.5).float()
    pg.fit(RBM(visible=16, hidden=4), pg.PCD(), data=data, epochs=1, threads=asked, progress=False)
    assert seen == {used}
    assert torch.get_num_threads() == 3


def test_numbers_of_threads_that_cannot_be_are_refused():
    with pytest.raises(OptionError, match="threads=0"):
        TrainingOptions(threads=0)
