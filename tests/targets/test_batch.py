"""Densities over many points at once: every kind gives what it gives point by point."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probgen import models
from probgen.declare.program import read_program
from probgen.errors import OptionError
from probgen.targets.batch import LoopedBatch, NativeBatch, batch_of, slices
from probgen.targets.density import compile_density
from probgen.targets.traced import BatchedTrace
from tests.inference.targets import SKEWED, TRUNCATED


def density_of(name: str, backend: str):
    model = models.load(name)
    return compile_density(read_program(model.program, model.data), backend)


def points_of(dim: int, count: int = 9) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(count, dim)) * 0.5)


@pytest.mark.parametrize(
    ("backend", "kind", "engine"),
    [
        ("native", NativeBatch, "native"),
        ("torch", BatchedTrace, "torch"),
        ("eager", LoopedBatch, "python"),
    ],
)
def test_programs(backend, kind, engine):
    density = density_of("varying_slopes", backend)
    batch, points = batch_of(density), points_of(density.dim)
    assert isinstance(batch, kind)
    assert (batch.engine, batch.dim, batch.device.type) == (engine, density.dim, "cpu")
    values, gradients = batch.value_and_grad(points)
    assert (values.dtype, gradients.dtype) == (torch.float64, torch.float64)
    for point, value, gradient in zip(points, values, gradients, strict=True):
        expected, expected_gradient = density.eager_value_and_grad(point.numpy())
        assert value == pytest.approx(expected, rel=1e-10)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", ["native", "eager"])
def test_densities_of_their_own(kind):
    density = getattr(SKEWED, kind)()
    values, gradients = batch_of(density).value_and_grad(points_of(2))
    for point, value, gradient in zip(points_of(2), values, gradients, strict=True):
        expected, expected_gradient = SKEWED.python(point.numpy())
        assert value == pytest.approx(expected)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12)


@pytest.mark.parametrize("count", [0, 1, 7, 64])
def test_threads_change_nothing(count):
    density = density_of("item_response", "native")
    points = points_of(density.dim, count)
    alone, together = (batch_of(density, threads=n).value_and_grad(points) for n in (1, 3))
    assert torch.equal(alone[0], together[0])
    assert torch.equal(alone[1], together[1])
    assert alone[0].shape == (count,)


@pytest.mark.parametrize("backend", ["torch", "eager"])
def test_no_points(backend):
    density = density_of("eight_schools", backend)
    values, gradients = batch_of(density).value_and_grad(points_of(density.dim, 0))
    assert values.shape == (0,)
    assert gradients.shape == (0, density.dim)


def test_views_and_single_precision_points_are_read_right():
    density = density_of("eight_schools", "native")
    wide = points_of(2 * density.dim)
    strided = wide[:, ::2]
    expected = batch_of(density).value_and_grad(strided.contiguous())
    for found, wanted in zip(batch_of(density).value_and_grad(strided), expected, strict=True):
        assert torch.equal(found, wanted)


def test_nan_stays_with_its_point():
    for density in (TRUNCATED.native(), TRUNCATED.eager()):
        values, _ = batch_of(density).value_and_grad(torch.tensor([[0.0], [2.0], [0.5]]).double())
        assert torch.isnan(values).tolist() == [False, True, False]


def test_a_function_that_raises_in_a_thread_raises_here():
    density = SKEWED.eager()
    density.python = lambda q: 1 / 0
    with pytest.raises(ZeroDivisionError):
        batch_of(density).value_and_grad(points_of(2))
    crew = batch_of(SKEWED.native(), threads=2).crew
    with pytest.raises(ZeroDivisionError):
        crew.share(4, lambda start, stop: 1 / 0)


def test_devices_that_cannot_serve():
    with pytest.raises(OptionError, match="device='abacus' cannot be used"):
        batch_of(SKEWED.native(), "abacus")
    with pytest.raises(OptionError, match="only a program that can be traced runs there"):
        batch_of(SKEWED.native(), "meta")


def test_slices_make_up_the_range():
    for count, parts in ((10, 3), (2, 8), (7, 7)):
        rows = [i for start, stop in slices(count, parts) for i in range(start, stop)]
        assert rows == list(range(count))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_native_density_moves_to_the_gpu():
    density = density_of("eight_schools", "native")
    batch = batch_of(density, "cuda")
    values, _ = batch.value_and_grad(points_of(density.dim).cuda())
    expected, _ = batch_of(density).value_and_grad(points_of(density.dim))
    np.testing.assert_allclose(values.cpu(), expected, rtol=1e-10)
