"""The pulled-back density is log p(z(u)) + log |det dz/du|, compiled or in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.inference.flow_assisted.pullback import PulledBack
from probgen.inference.flow_assisted.weights import rebuilt, weights_of
from probgen.inference.variational.svi import SVI
from probgen.targets.reuse import density_of
from tests.inference.flow_assisted.guides import SMALL, random_guide
from tests.inference.targets import HEAVY_TAILED, SKEWED, TRUNCATED


def expected(density, guide, u: np.ndarray) -> float:
    """The density of u with the determinant of the Jacobian that autograd finds."""

    def z_of(point: torch.Tensor) -> torch.Tensor:
        return guide.forward_map(point[None])[0][0]

    point = torch.from_numpy(u)
    jacobian = torch.autograd.functional.jacobian(z_of, point)
    value, _ = density.value_and_grad(z_of(point).numpy())
    return value + float(torch.linalg.slogdet(jacobian)[1])


@pytest.mark.parametrize("name", ["iaf", "coupling", "multivariate"])
@pytest.mark.parametrize("engine", ["native", "eager"])
def test_the_density_is_that_of_the_change_of_variables(name, engine):
    density = getattr(HEAVY_TAILED, engine)()
    guide = random_guide(name, density.dim)
    pulled = PulledBack(density, guide)
    assert (pulled.native is not None) == (engine == "native")
    assert bool(pulled.reason) == (engine == "eager")
    for u in np.random.default_rng(3).standard_normal((4, density.dim)):
        value, gradient = pulled.value_and_grad(u)
        assert value == pytest.approx(expected(density, guide, u), abs=1e-9)
        for i, step in enumerate(1e-6 * np.eye(density.dim)):
            up, down = (expected(density, guide, u + s * step) for s in (1, -1))
            assert gradient[i] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-6)


def test_a_program_is_compiled_with_its_transport():
    program = pg.density(lambda x, y: -0.5 * (x**2).sum() - y, {"x": 2, "y": "positive"})
    density, _ = density_of(program, {})
    guide = random_guide("iaf", 3)
    pulled = PulledBack(density, guide)
    assert pulled.native is not None
    u = np.array([0.3, -1.0, 0.5])
    assert pulled.value_and_grad(u)[0] == pytest.approx(expected(density, guide, u), abs=1e-9)


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_draws_are_mapped_to_the_same_bits_in_any_company(engine):
    density = getattr(SKEWED, engine)()
    guide = random_guide("iaf", 2)
    pulled = PulledBack(density, guide)
    noise = np.random.default_rng(1).standard_normal((3, 7, 2))
    z, log_det = pulled.mapped(noise)
    part, log_det_part = pulled.mapped(noise[1:2, 2:4])
    assert np.array_equal(z[1:2, 2:4], part)
    assert np.array_equal(log_det[1:2, 2:4], log_det_part)
    back, _ = guide.inverse_map(torch.from_numpy(z.reshape(-1, 2)))
    np.testing.assert_allclose(back.numpy(), noise.reshape(-1, 2), atol=1e-10)
    assert pulled.mapped(noise[:, :0])[0].shape == (3, 0, 2)


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_a_density_that_is_not_finite_stays_so(engine):
    guide = random_guide("multivariate", 1)
    pulled = PulledBack(getattr(TRUNCATED, engine)(), guide)
    far, _ = guide.inverse_map(torch.tensor([[1.5]]).double())
    assert not np.isfinite(pulled.value_and_grad(far[0].numpy())[0])


def test_weights_make_the_same_guide_again():
    guide = random_guide("coupling", 3)
    again = rebuilt(SVI("coupling", **SMALL), 3, weights_of(guide))
    u = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).double()
    assert torch.equal(guide.forward_map(u)[0], again.forward_map(u)[0])
    with pytest.raises(pg.ProbgenError, match="weights"):
        rebuilt(SVI("coupling", **SMALL), 3, weights_of(guide)[1:])
    with pytest.raises(pg.ProbgenError, match="not finite"):
        rebuilt(SVI("coupling", **SMALL), 3, weights_of(guide) * np.nan)
