"""The DCGAN recipe: which layers there are, how they start, and what they make of images."""

import pytest
import torch
from torch import nn

from probgen.errors import OptionError
from probgen.nets.dcgan import DCGANCritic, DCGANGenerator

SIZES = [8, 12, 16, 28, 32, 64]


def layers(network):
    """Kinds of the parts without children, in order."""
    return [part for part in network.modules() if not list(part.children())]


@pytest.mark.parametrize("size", SIZES)
def test_images_have_the_size_asked_for_and_scores_are_of_rows(size):
    generator, critic = DCGANGenerator(5, size, 3, 4), DCGANCritic(size, 3, 4)
    x = generator(torch.randn(2, 5))
    assert x.shape == (2, 3, size, size)
    assert x.abs().max() <= 1
    assert critic(x).shape == (2,)
    assert critic.features(x).dim() == 2


@pytest.mark.parametrize("size", SIZES)
def test_there_is_no_pooling_and_no_dense_layer(size):
    allowed = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU)
    for network in (DCGANGenerator(5, size, 1, 4), DCGANCritic(size, 1, 4)):
        assert all(isinstance(part, allowed) for part in layers(network))


def test_layers_of_the_paper():
    generator = DCGANGenerator(100, 64, 3, 32)
    ups = [part for part in layers(generator) if isinstance(part, nn.ConvTranspose2d)]
    assert [(up.in_channels, up.out_channels) for up in ups] == [
        (100, 256), (256, 128), (128, 64), (64, 32), (32, 3),
    ]  # fmt: skip
    assert [up.stride for up in ups[1:]] == [(2, 2)] * 4
    downs = [part for part in layers(DCGANCritic(64, 3, 4)) if isinstance(part, nn.Conv2d)]
    assert [down.stride for down in downs[:-1]] == [(2, 2)] * 4


def test_batch_normalisation_is_everywhere_but_at_the_end_and_the_start():
    generator, critic = DCGANGenerator(5, 32, 3, 4), DCGANCritic(32, 3, 4)
    kinds = [type(part) for part in layers(critic)]
    conv, norm, act = nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU
    assert kinds == [conv, act, conv, norm, act, conv, norm, act, conv]
    assert len(generator.norms) == len(generator.layers) + 1  # all but `last`
    assert [n.num_features for n in generator.norms] == [
        up.out_channels for up in (generator.first, *generator.layers)
    ]
    for part in (*layers(generator), *layers(critic)):
        if isinstance(part, nn.BatchNorm2d):
            assert (part.eps, part.momentum) == (1e-5, 0.1)
        if isinstance(part, nn.LeakyReLU):
            assert part.negative_slope == 0.2
    none = layers(DCGANCritic(32, 3, 4, normalise=False))
    assert not any(isinstance(part, norm) for part in none)


def test_hidden_values_are_normalised_and_rectified():
    """What the networks compute, spelled out layer by layer."""
    torch.manual_seed(0)
    generator, critic = DCGANGenerator(5, 16, 2, 4), DCGANCritic(16, 2, 4)
    z = torch.randn(6, 5)
    hidden = z[:, :, None, None]
    for up, norm in zip((generator.first, *generator.layers), generator.norms, strict=True):
        made = up(hidden)
        mean, variance = made.mean((0, 2, 3)), made.var((0, 2, 3), correction=0)
        white = (made - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        hidden = (white * norm.weight[:, None, None] + norm.bias[:, None, None]).clamp(min=0)
    x = generator(z)
    torch.testing.assert_close(x, torch.tanh(generator.last(hidden)), atol=1e-5, rtol=1e-4)
    seen = critic.first(x)
    seen = torch.where(seen > 0, seen, 0.2 * seen)
    seen = critic.layers[2](critic.layers[1](seen))
    seen = torch.where(seen > 0, seen, 0.2 * seen)
    torch.testing.assert_close(critic(x), critic.last(seen).reshape(6))
    torch.testing.assert_close(critic.features(x), seen.flatten(1))


def test_a_representation_is_of_every_layer_pooled():
    torch.manual_seed(0)
    critic = DCGANCritic(16, 2, 4)
    x = torch.randn(6, 2, 16, 16)
    first = critic.first(x)
    first = torch.where(first > 0, first, 0.2 * first)  # (6, 4, 8, 8)
    second = critic.features(x)  # (6, 8, 4, 4), flat
    pooled = first.reshape(6, 4, 4, 2, 4, 2).amax((3, 5)).flatten(1)
    torch.testing.assert_close(critic.eval().representation(x, 4)[:, :64], pooled)
    critic.train()
    seen = critic.representation(x)
    torch.testing.assert_close(seen, torch.cat([pooled, second], 1))
    one = torch.cat([first.amax((2, 3)), second.reshape(6, 8, 4, 4).amax((2, 3))], 1)
    torch.testing.assert_close(critic.representation(x, 1), one)
    with pytest.raises(OptionError, match="side=0"):
        critic.representation(x, 0)


@pytest.mark.parametrize("classes", [0, 10])
def test_weights_start_normal_with_a_spread_of_two_hundredths(classes):
    torch.manual_seed(0)
    networks = (DCGANGenerator(100, 32, 1, 32, classes), DCGANCritic(32, 1, 32, classes))
    for network in networks:
        kernels = [p for p in network.parameters() if p.dim() == 4 and p.numel() > 500]
        assert len(kernels) >= 4 - bool(classes)
        for kernel in (k.detach() for k in kernels):
            assert abs(float(kernel.std()) - 0.02) < 0.002
            assert abs(float(kernel.mean())) < 0.004
        for part in layers(network):
            if isinstance(part, nn.BatchNorm2d) and part.affine:
                assert abs(float(part.weight.detach().mean()) - 1) < 0.02
                assert (part.bias == 0).all()


@pytest.mark.parametrize("size", [0, 4, 9, 18, 66])
def test_sizes_that_cannot_be_halved_are_refused(size):
    for make in (lambda: DCGANGenerator(5, size), lambda: DCGANCritic(size)):
        with pytest.raises(OptionError, match="size="):
            make()
