"""Multilayer perceptrons."""

import torch
from torch import nn

from probgen.nets.dense import DenseCritic, Times, mlp


def test_layers_have_the_widths_asked_for():
    widths = [(layer.in_features, layer.out_features) for layer in mlp(3, 2, (5, 4))[::2]]
    assert widths == [(3, 5), (5, 4), (4, 2)]


def test_the_end_is_linear_and_so_is_a_network_without_hidden_layers():
    assert isinstance(mlp(3, 2, (5,), nn.ReLU)[-1], nn.Linear)
    network = mlp(3, 2, ())
    x, y = torch.randn(2, 4, 3)
    torch.testing.assert_close(network(x + y), network(x) + network(y) - network(0 * x))
    bent = mlp(3, 2, (5,))
    assert (bent(x + y) - bent(x) - bent(y) + bent(0 * x)).abs().max() > 1e-3


def test_a_critic_scores_the_values_of_several_sites_side_by_side():
    critic = DenseCritic(5, (7, 6))
    x, z = torch.randn(4, 1, 3), torch.randn(4, 2)
    both = torch.cat([x[:, 0], z], 1)
    torch.testing.assert_close(critic(x, z), critic.layers(both)[:, 0])
    torch.testing.assert_close(critic.layers[-1](critic.features(x, z))[:, 0], critic(x, z))
    assert critic.layers[1].negative_slope == 0.2


def test_a_site_may_be_one_number_a_row():
    critic, x, y = DenseCritic(3, (7,)), torch.randn(4), torch.arange(4)
    beside = torch.stack([x, y.float(), x], 1)
    torch.testing.assert_close(critic(x, y, x[:, None]), critic(beside))


def test_spread_values_are_divided_by_their_scale():
    critic, x = DenseCritic(2, (7,), scale=4.0), torch.randn(3, 2)
    torch.testing.assert_close(critic(x), critic.layers(x / 4)[:, 0])
    assert torch.equal(Times(4.0)(x), 4 * x)
