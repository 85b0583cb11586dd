"""Modules in their mode for evaluation, and each part's own mode afterwards."""

import pytest
import torch
from torch import nn

import probgen as pg
from probgen.learn.evaluating import evaluating
from tests.learn.adversarial.programs import Points, normal_points


def test_every_part_gets_its_own_mode_back():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    model[0].eval()
    with pytest.raises(ValueError, match="inside"), evaluating(model, print):  # noqa: PT012
        assert not model.training
        assert not model[1].training
        assert not torch.is_grad_enabled()
        raise ValueError("inside")
    assert [part.training for part in model.modules()] == [True, False, True]
    with evaluating(model, gradients=True):
        assert torch.is_grad_enabled()
    with torch.no_grad(), evaluating(model, gradients=True):
        assert not torch.is_grad_enabled()


class Frozen(Points):
    """With a layer whose statistics are to stay as they are."""

    def __init__(self):
        network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
        super().__init__(generator=network)
        network[1].eval()


@pytest.mark.parametrize("method", [pg.Adversarial(), pg.MMD(), pg.EnergyDistance()])
def test_a_layer_that_is_kept_out_of_training_stays_so(method):
    model = Frozen()
    pg.fit(
        model, method, data={"x": normal_points(40)}, epochs=1, batch_size=20, progress=False,
        validation=0.25, watch=True,
    )  # fmt: skip
    layer = model.generator[1]
    assert model.training
    assert not layer.training
    assert torch.equal(layer.running_mean, torch.zeros(8))
    assert layer.num_batches_tracked == 0
