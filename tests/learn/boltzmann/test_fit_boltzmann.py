"""Machines through the training loop: validation, and going on bit for bit."""

import pytest
import torch

import probgen as pg
from probgen.errors import DataError
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.boltzmann.methods import PCD
from probgen.learn.training.schedules import Linear
from probgen.models.rbm import RBM

METHOD = PCD(learning_rate=Linear(0.2, 0.0), weight_decay=1e-4)


def data():
    random = torch.Generator().manual_seed(1)
    return {"x": torch.randint(2, (330, 4), generator=random).float().repeat(1, 2)}


def fit(**options):
    usual = {"epochs": 6, "batch_size": 50, "seed": 3, "progress": False}
    return pg.fit(RBM(8, 5), METHOD, data=data(), **{**usual, **options})


class Killed(Exception):
    """Stands for the end of a process."""


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = fit(store=tmp_path / "whole", checkpoint_steps=4)
    step = BoltzmannLearner.step

    def dying(self, batch, loop):
        if loop.clock == 17:
            raise Killed
        return step(self, batch, loop)

    monkeypatch.setattr(BoltzmannLearner, "step", dying)
    with pytest.raises(Killed):
        fit(store=tmp_path / "cut", checkpoint_steps=4)
    monkeypatch.undo()
    again = pg.resume(tmp_path / "cut", RBM(8, 5), data=data())
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_validation_tells_the_exact_likelihood_of_small_machines():
    found = fit(validation=0.2, epochs=60)
    history = found.tree["history"].to_dataset()
    values = history["validation_log_likelihood"].values
    assert values[-1] > values[0] + 0.2
    assert "pseudo_likelihood" in "".join(map(str, history.data_vars))


def test_pixels_from_0_to_255_are_refused():
    with pytest.raises(DataError, match="x"):
        pg.fit(RBM(8, 5), METHOD, data={"x": data()["x"] * 255}, progress=False)
