"""The leapfrog step goes back the way it came, and its energy error is of second order.

Both integrators are tested: the numpy one directly, the native one, with each kind of metric,
through small C++ functions around `hamiltonian.hpp`.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.inference.adapt.settings import METRICS, Settings, make_settings
from probgen.inference.native import library
from probgen.inference.phase_space import Hamiltonian, energy_of
from tests.inference.targets import HEAVY_TAILED, SKEWED, WIDE, Target

ENTRY = """
using namespace probgen;

// Draws of a Gaussian, their gradients and its covariance: what metrics are made from.
struct Sample {
    const double *covariance, *positions, *gradients;
    int64_t count;
};

static const double* padded(const double* from, size_t dim, Store& store) {
    double* to = store.vector();
    std::memcpy(to, from, dim * sizeof(double));
    return to;
}

static void shape(Hamiltonian& system, const Settings& settings, const Sample& sample,
                  Store& store) {
    const size_t dim = system.dim, length = system.n * kLanes;
    Metric& metric = system.metric;
    for (size_t i = 0; i < dim; ++i) metric.set_variance(i, sample.covariance[i * dim + i]);
    if (settings.metric == kDense) {
        double* rows = store.block(dim * length);
        for (size_t i = 0; i < dim; ++i)
            std::memcpy(rows + i * length, sample.covariance + i * dim, dim * sizeof(double));
        metric.set_covariance(rows);
    }
    if (settings.metric == kLowRank) {
        History history(dim, sample.count, store);
        for (int64_t t = 0; t < sample.count; ++t)
            history.add(padded(sample.positions + t * dim, dim, store),
                        padded(sample.gradients + t * dim, dim, store));
        Moments moments(dim, store);
        moments.take(history, sample.count);
        Directions directions(dim, sample.count, settings, store);
        directions.find(history, moments, sample.count, metric.scale());
        metric.set_directions(directions);
    }
}

#define EXPORT extern "C" __attribute__((visibility("default")))

// `steps` leapfrog steps from (position, momentum), in place; returns the final energy.
EXPORT double integrate(const Settings* settings, const Sample* sample, DensityFunction function,
                        double* position, double* momentum, double step, int64_t steps) {
    const size_t bytes = settings->dim * sizeof(double);
    Store store(settings->dim);
    Hamiltonian system(Density{function, nullptr}, *settings, settings->dim, store);
    shape(system, *settings, *sample, store);
    Point x = system.point(store);
    double* p = store.vector();
    std::memcpy(x.position, position, bytes);
    std::memcpy(p, momentum, bytes);
    system.evaluate(x);
    double kinetic = 0.5 * dot(p, p, system.n);
    for (int64_t i = 0; i < steps; ++i) kinetic = system.leapfrog(x, p, p, step);
    std::memcpy(position, x.position, bytes);
    std::memcpy(momentum, p, bytes);
    return kinetic - x.log_density;
}

// The metric applied to one vector: as velocity, as force, and as force undone.
EXPORT void apply(const Settings* settings, const Sample* sample, const double* vector,
                  double* velocity, double* force, double* undone) {
    const size_t bytes = settings->dim * sizeof(double);
    Store store(settings->dim);
    Hamiltonian system(Density{nullptr, nullptr}, *settings, settings->dim, store);
    shape(system, *settings, *sample, store);
    const double* x = padded(vector, settings->dim, store);
    double* out = store.vector();
    system.metric.velocity(x, out);
    std::memcpy(velocity, out, bytes);
    system.metric.force(x, out);
    std::memcpy(force, out, bytes);
    double* back = store.vector();
    system.metric.gradient(out, back);
    std::memcpy(undone, back, bytes);
}
"""


class Sample(ctypes.Structure):
    """Mirror of the C++ structure; keeps its arrays alive."""

    _fields_ = (
        ("covariance", ctypes.c_void_p),
        ("positions", ctypes.c_void_p),
        ("gradients", ctypes.c_void_p),
        ("count", ctypes.c_int64),
    )

    def __init__(self, dim: int, count: int = 400):
        covariance = covariance_of(dim)
        standard = np.random.default_rng(2).standard_normal((count, dim))
        positions = np.ascontiguousarray(standard @ np.linalg.cholesky(covariance).T)
        gradients = np.ascontiguousarray(-np.linalg.solve(covariance, positions.T).T)
        self.arrays = covariance, positions, gradients
        super().__init__(*(array.ctypes.data for array in self.arrays), count)


def covariance_of(dim: int) -> np.ndarray:
    """Unequal variances, and correlations that a diagonal metric does not see."""
    root = np.tril(np.full((dim, dim), 0.3)) + np.diag(np.linspace(0.5, 1.2, dim))
    return root @ root.T


@lru_cache(maxsize=1)
def native_library() -> ctypes.CDLL:
    built = build(library.source("hamiltonian.hpp") + ENTRY, "test-leapfrog")
    pointer = ctypes.c_void_p
    system = [ctypes.POINTER(Settings), ctypes.POINTER(Sample)]
    built.integrate.restype = ctypes.c_double
    built.integrate.argtypes = [
        *system, pointer, pointer, pointer, ctypes.c_double, ctypes.c_int64
    ]  # fmt: skip
    built.apply.restype = None
    built.apply.argtypes = [*system, pointer, pointer, pointer, pointer]
    return built


class Linear:
    """A metric given by its factor L, for the numpy integrator."""

    def __init__(self, factor: np.ndarray):
        self.factor = factor

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        return self.factor @ momentum

    def force(self, gradient: np.ndarray) -> np.ndarray:
        return gradient @ self.factor


def native(target: Target, metric: str, position, momentum, step, steps):
    density = target.native()
    position, momentum = position.copy(), momentum.copy()
    energy = native_library().integrate(
        make_settings(metric, dim=target.dim), Sample(target.dim), density.native.address,
        position.ctypes.data, momentum.ctypes.data, step, steps,
    )  # fmt: skip
    return position, momentum, energy


def python(target: Target, metric: str, position, momentum, step, steps):
    linear: Any = Linear(applied(metric, target.dim)[0])
    system = Hamiltonian(target.eager(), linear)
    point = system.point(position)
    energy = energy_of(point, momentum)
    for _ in range(steps):
        point, momentum, energy = system.leapfrog(point, momentum, step)
    assert system.evaluations == steps + 1
    return point.position, momentum, energy


def applied(metric: str, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The native metric as matrices, column by column: velocity, force, force undone."""
    settings, sample = make_settings(metric, dim=dim), Sample(dim)
    rows = np.empty((3, dim, dim))
    for i, unit in enumerate(np.eye(dim)):
        native_library().apply(
            settings, sample, unit.ctypes.data, *(rows[k, i].ctypes.data for k in range(3))
        )
    return rows[0].T, rows[1].T, rows[2].T


def start(target: Target) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.uniform(-1, 1, target.dim), rng.standard_normal(target.dim)


both_engines = pytest.mark.parametrize("integrate", [native, python])
every_metric = pytest.mark.parametrize("metric", METRICS)
targets = pytest.mark.parametrize("target", [SKEWED, HEAVY_TAILED, WIDE], ids=lambda t: t.name)


@both_engines
@every_metric
@targets
def test_reversible(target, metric, integrate):
    position, momentum = start(target)
    there, arriving, _ = integrate(target, metric, position, momentum, 0.1, 40)
    assert np.abs(there - position).max() > 0.1
    back, leaving, _ = integrate(target, metric, there, -arriving, 0.1, 40)
    np.testing.assert_allclose(back, position, atol=1e-9)
    np.testing.assert_allclose(-leaving, momentum, atol=1e-9)
    back, leaving, _ = integrate(target, metric, there, arriving, -0.1, 40)
    np.testing.assert_allclose(back, position, atol=1e-9)
    np.testing.assert_allclose(leaving, momentum, atol=1e-9)


@both_engines
@every_metric
@targets
def test_energy_error_is_of_second_order(target, metric, integrate):
    position, momentum = start(target)
    before = integrate(target, metric, position, momentum, 0.1, 0)[2]
    errors = [
        abs(integrate(target, metric, position, momentum, 1 / steps, steps)[2] - before)
        for steps in (100, 200, 400)
    ]
    assert errors[0] > 1e-8
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.05)


@every_metric
@targets
def test_volume_is_preserved(target, metric):
    """The Jacobian determinant of a stretch of trajectory is one."""
    state = np.concatenate(start(target))

    def flow(x: np.ndarray) -> np.ndarray:
        q, p, _ = native(target, metric, x[: target.dim], x[target.dim :], 0.2, 5)
        return np.concatenate([q, p])

    steps = 1e-5 * np.eye(state.size)
    jacobian = np.array([(flow(state + h) - flow(state - h)) / 2e-5 for h in steps])
    assert np.linalg.det(jacobian) == pytest.approx(1, abs=1e-5)


@every_metric
@targets
def test_the_integrators_agree(target, metric):
    arguments = (target, metric, *start(target), 0.1, 30)
    for ours, theirs in zip(native(*arguments), python(*arguments), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


@every_metric
@pytest.mark.parametrize("dim", [1, 3, 8, 9, 20])
def test_a_metric_is_one_matrix(metric, dim):
    """Force is the transpose of velocity, and can be undone; diag and dense are exact."""
    velocity, force, undone = applied(metric, dim)
    np.testing.assert_allclose(force, velocity.T, atol=1e-12)
    np.testing.assert_allclose(undone, np.eye(dim), atol=1e-10)
    covariance = covariance_of(dim)
    if metric == "diag":
        np.testing.assert_allclose(velocity, np.diag(np.sqrt(np.diag(covariance))), atol=1e-12)
    elif metric == "dense":
        np.testing.assert_allclose(velocity @ velocity.T, covariance, atol=1e-12)


def test_a_low_rank_metric_unties_strong_correlations():
    """Seen through it, the extreme variances of the Gaussian are much closer together."""

    def condition(metric: str) -> float:
        factor = applied(metric, 20)[0]
        inverse = np.linalg.inv(factor)
        return float(np.linalg.cond(inverse @ covariance_of(20) @ inverse.T))

    assert condition("low_rank") < 0.2 * condition("diag")
