"""Densities of numpy and numba callables: gradients, transforms, C functions."""

from __future__ import annotations

import numpy as np
import pytest

import probgen as pg
from probgen.errors import ModelError
from probgen.targets.reuse import density_of

Y = np.array([1.0, 2.5, 0.3, 4.1])
SITES = {"mu": (), "tau": "positive", "p": ("simplex", 3)}


def value_only(mu, tau, p, y):
    return -0.5 * ((y - mu) ** 2).sum() / tau**2 - len(y) * np.log(tau) + (2 * np.log(p)).sum()


def value_and_gradient(mu, tau, p, y):
    r = y - mu
    gradient = (r.sum() / tau**2, (r**2).sum() / tau**3 - len(y) / tau, 2 / p)
    return value_only(mu, tau, p, y), gradient


def in_torch(mu, tau, p, y):
    r = y - mu
    return -0.5 * (r**2).sum() / tau**2 - len(y) * tau.log() + (2 * p.log()).sum()


@pytest.mark.parametrize(
    ("function", "gradient"), [(value_and_gradient, "returned"), (value_only, "numeric")]
)
def test_numpy_callables_agree_with_torch(function, gradient):
    model = pg.density(function, SITES, gradient=gradient)
    density, _ = density_of(model, {"y": Y})
    truth, _ = density_of(pg.density(in_torch, SITES), {"y": Y})
    for q in np.random.default_rng(0).normal(size=(3, density.dim)):
        value, slope = density.value_and_grad(q)
        expected, expected_slope = truth.value_and_grad(q)
        assert value == pytest.approx(expected, rel=1e-12)
        assert np.allclose(slope, expected_slope, rtol=1e-6, atol=1e-6)


def test_a_wrong_gradient_is_seen():
    """The comparison above can fail."""

    def wrong(mu, tau, p, y):
        value, (a, b, c) = value_and_gradient(mu, tau, p, y)
        return value, (a, -b, c)

    density, _ = density_of(pg.density(wrong, SITES, gradient="returned"), {"y": Y})
    truth, _ = density_of(pg.density(in_torch, SITES), {"y": Y})
    q = np.full(density.dim, 0.4)
    assert not np.allclose(density.value_and_grad(q)[1], truth.value_and_grad(q)[1])


def test_a_flat_gradient_is_cut_into_sites():
    def flat(mu, tau, p, y):
        value, parts = value_and_gradient(mu, tau, p, y)
        return value, np.concatenate([np.ravel(part) for part in parts])

    one, _ = density_of(pg.density(flat, SITES, gradient="returned"), {"y": Y})
    two, _ = density_of(pg.density(value_and_gradient, SITES, gradient="returned"), {"y": Y})
    q = np.linspace(-1, 1, one.dim)
    assert np.array_equal(one.value_and_grad(q)[1], two.value_and_grad(q)[1])


def test_infer_end_to_end():
    model = pg.density(value_and_gradient, SITES, gradient="returned")
    tree = pg.infer(model, data={"y": Y}, seed=1, draws=300, warmup=300, progress=False)
    assert tree.attrs["backend"] == "callable"
    assert tree.posterior["p"].shape == (4, 300, 3)
    assert float(tree.posterior["tau"].min()) > 0


def test_messages():
    with pytest.raises(ModelError, match=r"must return \(value, gradient\), not float"):
        pg.infer(pg.density(value_only, SITES, gradient="returned"), data={"y": Y})
    short = pg.density(lambda mu: (0.0, np.zeros(2)), {"mu": 3}, gradient="returned")
    with pytest.raises(ModelError, match="has 2 elements; its sites mu have 3"):
        pg.infer(short)


def test_numba_functions_are_sampled_natively():
    numba = pytest.importorskip("numba")

    @numba.njit
    def normal(x, z, y):
        r = y - x[0]
        scale = np.exp(x[1])
        value = -0.5 * (r**2).sum() / scale**2 - len(y) * x[1] - 0.5 * x[1] ** 2 - 0.5 * z**2
        slope = np.array([r.sum() / scale**2, (r**2).sum() / scale**2 - len(y) - x[1]])
        return value, (slope, -z)

    model = pg.density(normal, {"x": 2, "z": ()}, gradient="returned")
    density, _ = density_of(model, {"y": Y})
    assert density.backend == "native"
    expected, slope = normal(np.array([0.2, -0.1]), 0.5, Y)
    value, gradient = density.value_and_grad(np.array([0.2, -0.1, 0.5]))
    assert value == pytest.approx(expected)
    assert np.allclose(gradient, [*slope[0], slope[1]])
    tree = pg.infer(model, data={"y": Y}, seed=1, progress=False)
    assert tree.attrs["engine"] == "native"
    assert abs(float(tree.posterior["z"].mean())) < 0.1
