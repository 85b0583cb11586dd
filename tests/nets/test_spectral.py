"""Spectral normalisation: the largest singular value of every layer becomes one."""

import pytest
import torch
from torch import nn

from probgen.nets.dcgan import DCGANCritic
from probgen.nets.dense import mlp
from probgen.nets.residual import ResidualCritic
from probgen.nets.spectral import spectral, spectral_norms

NETWORKS = {
    "mlp": (lambda: mlp(6, 3, (20, 20), spectral=True), (6,)),
    "dcgan": (lambda: DCGANCritic(8, 1, 4, spectral=True), (1, 8, 8)),
    "residual": (lambda: ResidualCritic(8, 1, 6), (1, 8, 8)),
    "up": (lambda: spectral(nn.ConvTranspose2d(3, 5, 4, 2, 1)), (3, 4, 4)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_stretches_by_one_after_fifty_passes(name):
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    network = make()
    with torch.no_grad():  # weights get a new largest direction, and the iterations follow
        for parameter in network.parameters():
            if parameter.dim() > 1:
                step = torch.ones(())
                for size in parameter.shape:
                    step = step[..., None] * torch.randn(size)
                parameter.add_(step * (2 * parameter.norm() / step.norm()))
    moved = spectral_norms(network.eval())
    network.train()
    for _ in range(50):
        network(torch.randn(2, *shape))
    norms = spectral_norms(network.eval())
    assert max(abs(float(norm) - 1) for norm in norms.values()) < 1e-3
    assert max(abs(float(norm) - 1) for norm in moved.values()) > 1e-2  # it did have to


def test_plain_layers_stretch_as_they_like():
    assert max(abs(float(norm) - 1) for norm in spectral_norms(mlp(6, 3, (20,))).values()) > 0.1


def test_twice_is_once():
    network = spectral(mlp(6, 3, (20,), spectral=True))
    assert len(network[0].parametrizations.weight) == 1


def test_a_normalised_critic_of_unit_slopes_is_lipschitz():
    torch.manual_seed(0)
    network = mlp(4, 1, (32, 32), nn.ReLU, spectral=True)
    for _ in range(50):
        network(torch.randn(2, 4))
    network.eval()
    x = torch.randn(500, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x).sum(), x)
    assert slope.norm(dim=1).max() < 1.001


def test_the_iterations_rest_in_evaluation_and_are_part_of_the_state():
    """So drawing and validating change nothing, and a training that goes on has the same norms."""
    torch.manual_seed(0)
    network, x = mlp(6, 3, (20,), spectral=True), torch.randn(2, 6)
    network(x)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.eval()
    scores = network(x)
    assert torch.equal(network(x), scores)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    again = mlp(6, 3, (20,), spectral=True)
    again.load_state_dict(before)
    assert torch.equal(again.eval()(x), scores)
    network.train(), again.train()
    assert torch.equal(network(x), again(x))  # after one more iteration each
    assert any(not torch.equal(v, before[name]) for name, v in network.state_dict().items())
