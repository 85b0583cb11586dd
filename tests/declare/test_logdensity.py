"""Log densities declared by a callable: sites, supports, messages."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import constraints

import probgen as pg
from probgen.declare.logdensity import SiteSpace
from probgen.errors import DataError, ModelError, OptionError


def banana(x, y):
    return -0.5 * (x**2 / 4 + (y - x**2) ** 2)


@pytest.mark.parametrize(
    ("given", "shape", "support"),
    [
        ((), (), constraints.real),
        (3, (3,), constraints.real),
        ((2, 5), (2, 5), constraints.real),
        ("positive", (), constraints.positive),
        (constraints.unit_interval, (), constraints.unit_interval),
        (("positive", 4), (4,), constraints.positive),
        (("simplex", (2, 3)), (2, 3), constraints.simplex),
        ((constraints.interval(0, 2), ()), (), None),
    ],
)
def test_what_a_site_may_be(given, shape, support):
    space = pg.density(lambda a: a, {"a": given}).sites["a"]
    assert space.shape == shape
    assert support is None or space.support == support


def test_a_pair_of_sizes_is_a_shape():
    assert pg.density(lambda a: a, {"a": (2, 5)}).sites["a"] == SiteSpace((2, 5))


def test_sites_are_read_like_those_of_a_program():
    program = pg.describe(pg.density(banana, {"x": (), "y": ()}))
    assert [s.name for s in program.latents] == ["x", "y"]
    assert program.name == "banana"


def test_jacobians_are_added():
    """Exponential(1) on a positive site: the unconstrained density is z - exp(z)."""
    from probgen.targets.reuse import density_of

    density, _ = density_of(pg.density(lambda rate: -rate, {"rate": "positive"}), None)
    value, gradient = density.value_and_grad(np.array([0.3]))
    assert density.backend == "native"
    assert value == pytest.approx(0.3 - math.exp(0.3))
    assert gradient[0] == pytest.approx(1 - math.exp(0.3))


def test_sampling_a_simplex():
    def log_density(p, alpha):
        return torch.distributions.Dirichlet(alpha).log_prob(p)

    model = pg.density(log_density, {"p": ("simplex", 3)})
    alpha = np.array([2.0, 3.0, 5.0])
    tree = pg.infer(model, data={"alpha": alpha}, seed=1, progress=False)
    assert np.allclose(tree.posterior["p"].mean(("chain", "draw")), alpha / 10, atol=0.01)


def test_data_are_checked_by_name():
    model = pg.density(lambda mu, y: -((y - mu) ** 2).sum(), {"mu": ()})
    with pytest.raises(DataError, match="needs 'y'"):
        pg.infer(model, progress=False)
    with pytest.raises(DataError, match="no argument named 'z'"):
        pg.infer(model, data={"y": [1.0], "z": 1}, progress=False)


def test_messages():
    with pytest.raises(ModelError, match="no argument named 'b'"):
        pg.density(banana, {"x": (), "b": ()})
    with pytest.raises(ModelError, match="'a': 'positiv' is no continuous support"):
        pg.density(lambda a: a, {"a": "positiv"})
    with pytest.raises(ModelError, match=r"give its shape beside it, as in \('simplex', 3\)"):
        pg.density(lambda a: a, {"a": "simplex"})
    with pytest.raises(ModelError, match="is no shape"):
        pg.density(lambda a: a, {"a": ("real", (2, -1))})
    with pytest.raises(OptionError, match="gradient='autograd'"):
        pg.density(banana, {"x": (), "y": ()}, gradient="autograd")
    with pytest.raises(ModelError, match="needs the sites"):
        pg.density(banana, {})
    with pytest.raises(ModelError, match="must return one number; it returned a tensor of shape"):
        pg.infer(pg.density(lambda a: -(a**2), {"a": 3}), progress=False)
