"""Every guide is the density that it says it is: draws, log densities, Jacobians, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from probgen.inference.variational.guides.base import log_normal, noise
from probgen.inference.variational.guides.make import make_guide
from probgen.inference.variational.start import Start
from probgen.inference.variational.svi import GUIDES, SVI

DIM = 3
TRANSPORTS = tuple(name for name in GUIDES if name not in ("low_rank", "mixture"))


def start() -> Start:
    """Far from standard: a centre, scales of several sizes, correlation."""
    factor = torch.tensor([[2.0, 0, 0], [0.3, 0.1, 0], [-5.0, 2.0, 10.0]], dtype=torch.float64)
    centre = torch.tensor([1.0, -2.0, 30.0], dtype=torch.float64)
    return Start(centre, factor, torch.tensor([1.0, 0.1, 10.0], dtype=torch.float64))


def guide(name: str, spread: float = 0.3):
    """A guide whose parameters are anywhere."""
    made = make_guide(SVI(name, components=3, transforms=2, hidden=(8,)), start(), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += spread * torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
    return made


@pytest.mark.parametrize("name", GUIDES)
def test_log_density_of_draws_is_that_of_the_points(name):
    made = guide(name)
    z, log_q = made.rsample(50, torch.Generator().manual_seed(1))
    assert z.shape == (50, DIM)
    assert z.dtype == torch.float64
    torch.testing.assert_close(made.log_prob(z.detach()), log_q, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", GUIDES)
def test_densities_integrate_to_one(name):
    """By importance sampling from a wide normal: the mean of q / r is 1."""
    made = guide(name, spread=0.1)
    wide = 1.7
    with torch.no_grad():
        w = wide * noise(8000, DIM, torch.Generator().manual_seed(3))
        log_r = log_normal(w / wide) - DIM * math.log(wide)
        ratios = (made.log_prob(made.out(w)) + made.log_det - log_r).exp().numpy()
    error = ratios.std() / math.sqrt(ratios.size)
    assert error < 0.05
    assert abs(ratios.mean() - 1) < 5 * error


@pytest.mark.parametrize("name", TRANSPORTS)
def test_maps_are_inverse_and_jacobians_those_of_autograd(name):
    made = guide(name)
    u = noise(4, DIM, torch.Generator().manual_seed(4))
    z, log_det = made.forward_map(u)
    back, log_det_back = made.inverse_map(z)
    torch.testing.assert_close(back, u, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log_det_back, -log_det, rtol=1e-5, atol=1e-5)
    for row in range(4):
        jacobian = torch.autograd.functional.jacobian(
            lambda one: made.forward_map(one[None])[0][0], u[row]
        )
        expected = torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(log_det[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", GUIDES)
def test_scores_are_gradients_of_the_density(name):
    made = guide(name)
    z = made.rsample(5, torch.Generator().manual_seed(5))[0].detach().requires_grad_()
    expected = torch.autograd.grad(made.log_prob(z).sum(), z)[0]
    torch.testing.assert_close(made.score(z.detach()), expected, rtol=1e-6, atol=1e-6)
    assert all(p.requires_grad for p in made.parameters())


@pytest.mark.parametrize("name", GUIDES)
def test_particles_reach_every_parameter(name):
    made = guide(name)
    z, log_q, weights = made.particles(12, torch.Generator().manual_seed(6))
    torch.testing.assert_close(weights.sum(), torch.ones((), dtype=torch.float64))
    (weights * (z.square().sum(-1) + log_q)).sum().backward()
    for parameter_name, parameter in made.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert (parameter.grad != 0).any(), parameter_name


@pytest.mark.parametrize("name", GUIDES)
def test_weighted_particles_are_unbiased(name):
    made = guide(name)
    with torch.no_grad():
        z = made.rsample(8000, torch.Generator().manual_seed(7))[0]
        some, _, weights = made.particles(8000, torch.Generator().manual_seed(8))
    expected, found = z.mean(0), (weights[:, None] * some).sum(0)
    error = z.std(0) * math.sqrt(2 / 8000)
    assert ((expected - found).abs() < 5 * error).all()


@pytest.mark.parametrize("name", TRANSPORTS)
def test_guides_begin_as_the_normal_of_their_start(name):
    made = make_guide(SVI(name), start(), seed=1)
    z = made.rsample(8000, torch.Generator().manual_seed(9))[0].detach().numpy()
    mean_field = name == "mean_field"
    factor = start().factor.numpy()
    sd = start().conditional_scale.numpy() if mean_field else np.sqrt((factor**2).sum(1))
    np.testing.assert_allclose((z.mean(0) - start().centre.numpy()) / sd, 0, atol=0.05)
    np.testing.assert_allclose(z.std(0), sd, rtol=0.04)


def test_components_of_a_mixture_begin_at_the_ends_of_the_paths():
    far = start().centre + torch.tensor([40.0, 0.0, 0.0], dtype=torch.float64)
    both = Start(start().centre, start().factor, start().conditional_scale, [far])
    places = both.places(4, torch.Generator().manual_seed(1))
    assert places.shape == (4, DIM)
    torch.testing.assert_close(start().centre + start().factor @ places[1], far)


def test_low_rank_begins_with_the_widest_directions():
    """Of a covariance that is the identity but for one direction, one rank holds nearly all."""
    along = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64)
    covariance = torch.eye(3, dtype=torch.float64) + 400 * torch.outer(along, along)
    factor = torch.linalg.cholesky(covariance)
    scale = torch.linalg.inv(covariance).diagonal() ** -0.5
    made = make_guide(SVI("low_rank", ranks=1), Start(along, factor, scale), seed=1)
    z = made.rsample(8000, torch.Generator().manual_seed(1))[0].detach()
    found = torch.corrcoef(z.T)
    assert found[0, 1] < -0.98
    assert found[0, 2] > 0.98
