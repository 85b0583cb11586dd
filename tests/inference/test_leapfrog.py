"""The leapfrog step goes back the way it came, and its energy error is of second order.

Both integrators are tested: the numpy one directly, the native one through a small C++ function
around `hamiltonian.hpp`.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.inference.adapt.metric import Metric
from probgen.inference.adapt.settings import DENSE, DIAGONAL
from probgen.inference.native import library
from probgen.inference.phase_space import Hamiltonian, energy_of
from tests.inference.targets import HEAVY_TAILED, SKEWED, Target

ENTRY = """
using namespace probgen;

// `steps` leapfrog steps from (position, momentum), in place; returns the final energy.
extern "C" __attribute__((visibility("default")))
double integrate(DensityFunction function, int64_t kind, int64_t dim, const double* covariance,
                 double* position, double* momentum, double step, int64_t steps) {
    Store store(dim);
    Hamiltonian system(Density{function, nullptr}, MetricKind(kind), dim, store);
    double* rows = store.block(dim * system.n * kLanes);
    for (int64_t i = 0; i < dim; ++i) {
        system.metric.set_scale(i, __builtin_sqrt(covariance[i * dim + i]));
        for (int64_t j = 0; j < dim; ++j) system.metric.row(rows, i)[j] = covariance[i * dim + j];
    }
    if (kind == kDense && !system.metric.set_covariance(rows)) return NAN;
    Point x = system.point(store);
    double* p = store.vector();
    std::memcpy(x.position, position, dim * sizeof(double));
    std::memcpy(p, momentum, dim * sizeof(double));
    system.evaluate(x);
    double kinetic = 0.5 * dot(p, p, system.n);
    for (int64_t i = 0; i < steps; ++i) kinetic = system.leapfrog(x, p, p, step);
    std::memcpy(position, x.position, dim * sizeof(double));
    std::memcpy(momentum, p, dim * sizeof(double));
    return kinetic - x.log_density;
}
"""


@lru_cache(maxsize=1)
def integrator():
    function = build(library.source("hamiltonian.hpp") + ENTRY, "test-leapfrog").integrate
    function.restype = ctypes.c_double
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [
        pointer, integer, integer, pointer, pointer, pointer, ctypes.c_double, integer
    ]  # fmt: skip
    return function


def covariance_of(dim: int) -> np.ndarray:
    """Unequal variances, and correlations that a diagonal metric does not see."""
    root = np.tril(np.full((dim, dim), 0.3)) + np.diag(np.linspace(0.5, 1.2, dim))
    return root @ root.T


def native(target: Target, kind, position, momentum, step, steps):
    density, covariance = target.native(), covariance_of(target.dim)
    position, momentum = position.copy(), momentum.copy()
    energy = integrator()(
        density.native.address, kind, target.dim, covariance.ctypes.data,
        position.ctypes.data, momentum.ctypes.data, step, steps,
    )  # fmt: skip
    return position, momentum, energy


def numpy(target: Target, kind, position, momentum, step, steps):
    metric, covariance = Metric(kind, target.dim), covariance_of(target.dim)
    if kind == DENSE:
        assert metric.set_covariance(covariance)
    else:
        metric.set_variances(np.diag(covariance))
    system = Hamiltonian(target.eager(), metric)
    point = system.point(position)
    energy = energy_of(point, momentum)
    for _ in range(steps):
        point, momentum, energy = system.leapfrog(point, momentum, step)
    assert system.evaluations == steps + 1
    return point.position, momentum, energy


def start(target: Target) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.uniform(-1, 1, target.dim), rng.standard_normal(target.dim)


both_engines = pytest.mark.parametrize("integrate", [native, numpy])
both_metrics = pytest.mark.parametrize("kind", [DIAGONAL, DENSE], ids=["diag", "dense"])
targets = pytest.mark.parametrize("target", [SKEWED, HEAVY_TAILED], ids=lambda t: t.name)


@both_engines
@both_metrics
@targets
def test_reversible(target, kind, integrate):
    position, momentum = start(target)
    there, arriving, _ = integrate(target, kind, position, momentum, 0.2, 40)
    assert np.abs(there - position).max() > 0.1
    back, leaving, _ = integrate(target, kind, there, -arriving, 0.2, 40)
    np.testing.assert_allclose(back, position, atol=1e-9)
    np.testing.assert_allclose(-leaving, momentum, atol=1e-9)
    back, leaving, _ = integrate(target, kind, there, arriving, -0.2, 40)
    np.testing.assert_allclose(back, position, atol=1e-9)
    np.testing.assert_allclose(leaving, momentum, atol=1e-9)


@both_engines
@both_metrics
@targets
def test_energy_error_is_of_second_order(target, kind, integrate):
    position, momentum = start(target)
    _, _, before = integrate(target, kind, position, momentum, 0.1, 0)
    errors = [
        abs(integrate(target, kind, position, momentum, 1 / steps, steps)[2] - before)
        for steps in (50, 100, 200)
    ]
    assert errors[0] > 1e-8
    np.testing.assert_allclose(errors[0] / errors[1], 4, rtol=0.1)
    np.testing.assert_allclose(errors[1] / errors[2], 4, rtol=0.05)


@both_metrics
@targets
def test_volume_is_preserved(target, kind):
    """The Jacobian determinant of a stretch of trajectory is one."""
    state = np.concatenate(start(target))

    def flow(x: np.ndarray) -> np.ndarray:
        q, p, _ = native(target, kind, x[: target.dim], x[target.dim :], 0.2, 5)
        return np.concatenate([q, p])

    steps = 1e-5 * np.eye(state.size)
    jacobian = np.array([(flow(state + h) - flow(state - h)) / 2e-5 for h in steps])
    assert np.linalg.det(jacobian) == pytest.approx(1, abs=1e-6)


@both_metrics
@targets
def test_the_integrators_agree(target, kind):
    arguments = (target, kind, *start(target), 0.1, 30)
    for ours, theirs in zip(native(*arguments), numpy(*arguments), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_metric_velocity_and_force_are_adjoint():
    """p . force(g) = velocity(p) . g, and both together are the covariance."""
    rng, covariance = np.random.default_rng(5), covariance_of(4)
    metric = Metric(DENSE, 4)
    metric.set_covariance(covariance)
    momentum, gradient = rng.standard_normal((2, 4))
    assert momentum @ metric.force(gradient) == pytest.approx(metric.velocity(momentum) @ gradient)
    np.testing.assert_allclose(metric.velocity(metric.force(gradient)), covariance @ gradient)
    assert not metric.set_covariance(-covariance)
    np.testing.assert_allclose(metric.velocity(metric.force(gradient)), covariance @ gradient)


def test_variances_that_make_no_sense_change_nothing():
    metric = Metric(DIAGONAL, 4)
    metric.set_variances(np.array([4.0, np.nan, np.inf, 0.0]))
    np.testing.assert_array_equal(metric.scale, [2.0, 1.0, 1.0, 1.0])
