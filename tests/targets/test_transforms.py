"""Every map from the real line that Pyro offers, and its Jacobian, through the compiler."""

from __future__ import annotations

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.distributions import constraints
from torch.distributions import biject_to

from probgen.declare.bijections import bijection
from probgen.declare.placing import PlaceUnconstrained
from probgen.declare.program import read_program
from probgen.targets.density import compile_density
from tests.targets.agreement import assert_agrees, native

CONSTRAINTS = {
    "real": (constraints.real, ()),
    "real vector": (constraints.real_vector, (3,)),
    "positive": (constraints.positive, (3,)),
    "nonnegative": (constraints.nonnegative, (3,)),
    "softplus positive": (constraints.softplus_positive, (3,)),
    "interval": (constraints.interval(-1.0, 2.5), (3,)),
    "half-open interval": (constraints.half_open_interval(0.0, 2.0), (3,)),
    "unit interval": (constraints.unit_interval, (3,)),
    "greater than": (constraints.greater_than(1.5), (3,)),
    "greater or equal": (constraints.greater_than_eq(torch.tensor([0.5, 1.0, 2.0])), (3,)),
    "less than": (constraints.less_than(-2.0), (3,)),
    "simplex": (constraints.simplex, (4,)),
    "simplices": (constraints.independent(constraints.simplex, 1), (2, 3)),
    "ordered": (constraints.ordered_vector, (4,)),
    "positive ordered": (constraints.positive_ordered_vector, (4,)),
    "correlation factor": (constraints.corr_cholesky, (4, 4)),
    "correlation matrix": (constraints.corr_matrix, (3, 3)),
    "covariance": (constraints.positive_definite, (3, 3)),
    "covariances": (constraints.independent(constraints.positive_definite, 1), (2, 2, 2)),
    "semidefinite": (constraints.positive_semidefinite, (2, 2)),
    "Cholesky factor": (constraints.lower_cholesky, (3, 3)),
    "softplus factor": (constraints.softplus_lower_cholesky, (3, 3)),
    "unit factor": (constraints.unit_lower_cholesky, (3, 3)),
    "lower triangle": (constraints.lower_triangular, (3, 3)),
    "symmetric": (constraints.symmetric, (3, 3)),
    "square": (constraints.square, (2, 2)),
    "concatenated": (
        constraints.cat([constraints.positive, constraints.real], -1, [1, 2]), (3,)),
    "stacked": (constraints.stack([constraints.positive, constraints.unit_interval], -1), (2,)),
}  # fmt: skip


def _jacobian_model(names):
    def model():
        for name in names:
            constraint, shape = CONSTRAINTS[name]
            value = pyro.sample(name, dist.ImproperUniform(constraint, (), shape))
            weights = torch.linspace(0.5, 1.5, max(value.numel(), 1), dtype=torch.float64)
            pyro.factor(f"{name} weight", -(weights.reshape(value.shape) * value).sum())

    return model


@pytest.mark.parametrize("names", [list(CONSTRAINTS)[i::4] for i in range(4)], ids="-".join)
def test_every_transform(names):
    density = native(_jacobian_model(names))
    # Far out the map to a simplex or a correlation is flat, where its logarithm loses digits.
    assert_agrees(density, scales=(0.5, 1.0, 2.0), rtol=1e-7)


@pytest.mark.parametrize("name", ["positive", "interval", "simplex", "ordered", "less than"])
def test_jacobian_by_autograd(name):
    constraint, shape = CONSTRAINTS[name]

    def model():
        pyro.sample("x", dist.ImproperUniform(constraint, (), shape))

    density = native(model)
    q = np.random.default_rng(3).normal(size=density.dim)
    transform = biject_to(constraint)
    point = torch.from_numpy(q)
    free = slice(None, -1) if name == "simplex" else slice(None)
    jacobian = torch.autograd.functional.jacobian(lambda u: transform(u)[free], point)
    value, _ = density.value_and_grad(q)
    assert value == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), rel=1e-10)


MATRICES = {
    "covariance": "lower", "Cholesky factor": "lower", "softplus factor": "lower",
    "lower triangle": "lower", "symmetric": "lower", "unit factor": "below",
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_maps_to_matrices(name):
    """Inverse, range and Jacobian: the determinant is that of the free entries."""
    constraint, shape = CONSTRAINTS[name]
    rows, columns = torch.tril_indices(*shape, 0 if MATRICES[name] == "lower" else -1)
    transform = bijection(constraint)
    u = torch.from_numpy(np.random.default_rng(4).normal(size=(2, len(rows))))
    y = transform(u)
    assert y.shape == (2, *shape) == tuple(transform.forward_shape(u.shape))
    assert constraint.check(y).all()
    assert tuple(transform.inverse_shape(y.shape)) == u.shape
    torch.testing.assert_close(transform.inv(y), u)
    jacobian = torch.autograd.functional.jacobian(lambda v: transform(v)[rows, columns], u[0])
    expected = torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(transform.log_abs_det_jacobian(u, y)[0], expected)


def test_bounds_that_depend_on_other_sites():
    def model():
        low = pyro.sample("low", dist.Normal(0.0, 1.0))
        width = pyro.sample("width", dist.LogNormal(0.0, 1.0))
        pyro.sample("inside", dist.Uniform(low, low + width))
        pyro.sample("above", dist.Pareto(width, 2.0))
        pyro.sample("weights", dist.Dirichlet(torch.ones(2, 3)).to_event(1))
        pyro.sample("factor", dist.LKJCholesky(5, 2.0))
        pyro.sample("matrix", dist.LKJ(3, 1.5))
        pyro.sample("spread", dist.Wishart(width + 3, scale_tril=torch.eye(3)))

    assert_agrees(native(model), scales=(0.5, 1.0, 2.0), rtol=1e-7)


# --- the Jacobian's sign, by quadrature --------------------------------------------------------

MARGINALS = {
    "Gamma": (lambda: dist.Gamma(3.0, 2.0), 1.5, 0.75),
    "LogNormal": (lambda: dist.LogNormal(0.2, 0.5), math.exp(0.325),
                  (math.exp(0.25) - 1) * math.exp(0.65)),
    "Beta": (lambda: dist.Beta(2.0, 3.0), 0.4, 0.04),
    "Uniform": (lambda: dist.Uniform(-1.0, 3.0), 1.0, 16 / 12),
    "Exponential": (lambda: dist.Exponential(0.5), 2.0, 4.0),
    "InverseGamma": (lambda: dist.InverseGamma(6.0, 5.0), 1.0, 0.25),
}  # fmt: skip


def _moments(make) -> tuple[float, float, float]:
    """Total mass, mean and variance under the compiled density, integrated on the real line."""

    def model():
        pyro.sample("x", make())

    density = compile_density(read_program(model), backend="native")
    grid = np.linspace(-30.0, 30.0, 6001)
    mass = np.exp([density.value_and_grad(np.array([u]))[0] for u in grid]) * (grid[1] - grid[0])
    x = density.outputs(grid[:, None])["latent:x"]
    total = mass.sum()
    mean = (mass * x).sum() / total
    return total, mean, (mass * x * x).sum() / total - mean**2


@pytest.mark.parametrize("name", MARGINALS)
def test_marginals_are_exact(name):
    make, mean, variance = MARGINALS[name]
    assert _moments(make) == pytest.approx((1.0, mean, variance), rel=1e-5)


@pytest.mark.parametrize("name", MARGINALS)
def test_a_wrong_sign_of_the_jacobian_is_caught(name, monkeypatch):
    right = PlaceUnconstrained._pyro_sample

    def wrong(self, msg):
        right(self, msg)
        self.log_jacobian = [-term for term in self.log_jacobian]

    monkeypatch.setattr(PlaceUnconstrained, "_pyro_sample", wrong)
    make, mean, variance = MARGINALS[name]
    assert _moments(make) != pytest.approx((1.0, mean, variance), rel=1e-2)
