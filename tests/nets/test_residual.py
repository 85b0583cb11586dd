"""Residual blocks: against their formula, and networks of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from probgen.errors import OptionError
from probgen.nets.residual import DownBlock, ResidualCritic, ResidualGenerator, UpBlock


def twice(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize(("low", "high"), [(3, 3), (3, 5)])
def test_upwards_is_its_formula(low, high):
    torch.manual_seed(0)
    block, x = UpBlock(low, high), torch.randn(4, low, 4, 4)
    before = x.clone()
    a, b = nn.BatchNorm2d(low), nn.BatchNorm2d(high)
    expected = block.straight(twice(x)) + block.second(F.relu(b(block.first(twice(F.relu(a(x)))))))
    torch.testing.assert_close(block(x), expected)
    assert (x == before).all()  # nothing was cut in place that the straight way needs


@pytest.mark.parametrize(("low", "high"), [(3, 3), (3, 5)])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("halve", [False, True])
def test_downwards_is_its_formula(low, high, first, halve):
    torch.manual_seed(0)
    block, x = DownBlock(low, high, halve, first), torch.randn(4, low, 4, 4)
    before = x.clone()
    expected = block.second(F.relu(block.first(x if first else F.relu(x)))) + block.straight(x)
    if halve:
        expected = expected.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    torch.testing.assert_close(block(x), expected)
    assert (x == before).all()


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("size", [8, 16, 28])
def test_images_come_out_and_every_parameter_learns(size, classes):
    torch.manual_seed(0)
    generator = ResidualGenerator(5, size, 2, 8, classes)
    critic = ResidualCritic(size, 2, 8, classes)
    label = (torch.tensor([0, 2, 1]),) if classes else ()
    x = generator(torch.randn(3, 5), *label)
    assert x.shape == (3, 2, size, size)
    assert x.abs().max() <= 1
    scores = critic(x, *label)
    assert scores.shape == (3,)
    assert critic.features(x, *label).shape == (3, 8)
    scores.square().sum().backward()
    for network in (generator, critic):
        for name, parameter in network.named_parameters():
            assert parameter.grad.abs().max() > 0, name


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(OptionError, match="size="):
        ResidualGenerator(5, 18)
