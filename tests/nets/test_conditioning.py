"""Labels side by side, in batch normalisation, in scores: each against its formula."""

import pytest
import torch
from torch import nn

from probgen.errors import ModelError
from probgen.nets.conditioning import Concat, ConditionalBatchNorm, Projection
from probgen.nets.dcgan import DCGANCritic, DCGANGenerator
from probgen.nets.dense import mlp
from probgen.nets.residual import ResidualCritic, ResidualGenerator

Y = torch.tensor([2, 0, 2, 1])
CODES = nn.functional.one_hot(Y, 3).float()


def test_of_one_class_it_is_batch_normalisation():
    torch.manual_seed(0)
    ours, plain = ConditionalBatchNorm(5, 1), nn.BatchNorm2d(5)
    with torch.no_grad():
        ours.gain.copy_(plain.weight.normal_()[None])
        ours.shift.copy_(plain.bias.normal_()[None])
    none = torch.zeros(4, dtype=torch.long)
    for _ in range(3):
        x = torch.randn(4, 5, 3, 3) * 2 + 1
        torch.testing.assert_close(ours(x, none), plain(x))
    ours.eval(), plain.eval()  # with the running means of what was seen
    torch.testing.assert_close(ours(x, none), plain(x))


def test_it_starts_without_a_difference_between_classes():
    norm, x = ConditionalBatchNorm(5, 3), torch.randn(4, 5, 3, 3)
    torch.testing.assert_close(norm(x, Y), nn.BatchNorm2d(5)(x))


def test_gains_and_shifts_are_those_of_the_class():
    norm, x = ConditionalBatchNorm(2, 3), torch.randn(4, 2, 3, 3)
    with torch.no_grad():
        norm.gain.copy_(torch.arange(6.0).reshape(3, 2))
        norm.shift.copy_(-torch.arange(6.0).reshape(3, 2))
    whitened = (x - x.mean((0, 2, 3), keepdim=True)) / (
        x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5
    ).sqrt()
    for row, label in enumerate(Y.tolist()):
        for channel in range(2):
            number = 2 * label + channel
            expected = number * whitened[row, channel] - number
            torch.testing.assert_close(norm(x, Y)[row, channel], expected)


def test_projection_is_its_formula():
    torch.manual_seed(0)
    head, f = Projection(6, 3), torch.randn(4, 6)
    v, psi = head.label.weight, head.psi
    expected = torch.stack(
        [psi.weight[0] @ f[i] + psi.bias[0] + v[label] @ f[i] for i, label in enumerate(Y)]
    )
    torch.testing.assert_close(head(f, Y), expected)
    assert (head(f, Y) - head(f, (Y + 1) % 3)).abs().min() > 1e-3


@pytest.mark.parametrize("part", [ConditionalBatchNorm(6, 3), Projection(6, 3)])
def test_codes_of_one_are_classes_and_get_gradients(part):
    x = torch.randn(4, 6, 2, 2) if isinstance(part, ConditionalBatchNorm) else torch.randn(4, 6)
    codes = CODES.clone().requires_grad_()
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.normal_()
    torch.testing.assert_close(part(x, codes), part(x, Y))
    part(x, codes).square().sum().backward()
    assert (codes.grad != 0).all()


def test_side_by_side_are_input_and_label():
    torch.manual_seed(0)
    network = mlp(5, 1, ())
    x = torch.randn(4, 2)
    torch.testing.assert_close(Concat(network, 3)(x, Y), network(torch.cat([x, CODES], 1)))
    images, planes = torch.randn(4, 2, 8, 8), CODES[:, :, None, None].expand(-1, -1, 8, 8)
    joined = Concat(nn.Identity(), 3)(images, Y)
    torch.testing.assert_close(joined, torch.cat([images, planes], 1))
    critic = Concat(DCGANCritic(8, 5, 4), 3).eval()
    torch.testing.assert_close(critic.features(images, Y), critic.network.features(joined))


@pytest.mark.parametrize(
    ("generator", "critic"),
    [
        (lambda: DCGANGenerator(4, 8, 1, 4, classes=3), lambda: DCGANCritic(8, 1, 4, classes=3)),
        (
            lambda: ResidualGenerator(4, 8, 1, 4, classes=3),
            lambda: ResidualCritic(8, 1, 4, classes=3),
        ),
        (lambda: Concat(DCGANGenerator(7, 8, 1, 4), 3), lambda: Concat(DCGANCritic(8, 4, 4), 3)),
    ],
    ids=["DCGAN", "residual", "concatenated"],
)
def test_images_and_scores_depend_on_the_label_and_every_parameter(generator, critic):
    torch.manual_seed(0)
    generator, critic = generator(), critic()
    z = torch.randn(4, 4)
    x = generator(z, Y)
    critic(x, Y).square().sum().backward()
    for network in (generator, critic):
        for name, parameter in network.named_parameters():
            assert parameter.grad.abs().max() > 0, name
    with torch.no_grad():
        for network in (generator, critic):
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        generator.eval(), critic.eval()
        other = (Y + 1) % 3
        assert (generator(z, Y) - generator(z, other)).abs().max() > 1e-4
        assert (critic(x, Y) - critic(x, other)).abs().max() > 1e-4


@pytest.mark.parametrize("critic", [DCGANCritic, ResidualCritic])
def test_labels_are_given_exactly_where_there_are_classes(critic):
    x = torch.zeros(4, 1, 8, 8)
    with pytest.raises(ModelError, match="without a label"):
        critic(8, 1, 4, classes=3)(x)
    with pytest.raises(ModelError, match="classes="):
        critic(8, 1, 4)(x, Y)
