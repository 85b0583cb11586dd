"""L-BFGS climbs: to the top whatever the scales, around holes, and honest where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.inference.optimise.curvature import Curvature
from probgen.inference.optimise.lbfgs import Ascent
from probgen.inference.optimise.line_search import search
from probgen.inference.optimise.objective import Objective, Place
from tests.inference.densities import TestDensity
from tests.inference.targets import CORRELATED, GAUSSIAN, SKEWED, TARGETS, TRUNCATED


def climb(density, start, **options) -> Ascent:
    return Ascent(Objective(density), np.asarray(start, dtype=float), **options).run()


def rosenbrock(q):
    a, b = q[:-1], q[1:]
    gradient = np.zeros_like(q)
    gradient[:-1] = -400 * a * (b - a * a) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a * a)
    return -float(np.sum(100 * (b - a * a) ** 2 + (1 - a) ** 2)), -gradient


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_climb_ends_where_no_rise_is_promised(target):
    for seed in range(5):
        start = np.random.default_rng(seed).uniform(-2, 2, target.dim)
        end = climb(target.eager(), start)
        assert end.outcome == "converged"
        assert end.objective.evaluations < 60
        assert 0 <= end.promised < 1e-9


def test_scales_four_orders_apart():
    end = climb(GAUSSIAN.eager(), np.full(5, 2.0))
    assert end.place.value == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose((end.place.position - GAUSSIAN.mean) / GAUSSIAN.sd, 0, atol=1e-4)


def test_a_curved_valley():
    end = climb(TestDensity(10, rosenbrock), np.full(10, -1.0))
    assert end.outcome == "converged"
    np.testing.assert_allclose(end.place.position, 1, atol=1e-4)
    assert end.iterations < 120


def test_a_curvature_of_the_wrong_sign_is_noticed(monkeypatch):
    monkeypatch.setattr(Curvature, "times", lambda self, vector: -vector)
    end = climb(CORRELATED.eager(), np.full(10, 2.0) * np.arange(10), iterations=60)
    assert not (end.outcome == "converged" and end.promised >= 0)


def hole(q):
    """A normal at 3 with a wall of NaN beyond 3.5 and a pit of infinite gradients below -3."""
    if q[0] > 3.5:
        return np.nan, np.array([np.nan])
    if q[0] < -3:
        return -np.inf, np.array([np.inf])
    return -0.5 * (q[0] - 3) ** 2 * 100, np.array([-(q[0] - 3) * 100])


def raising(q):
    if q[0] > 3.5:
        raise ValueError("no such value")
    return hole(q)


@pytest.mark.parametrize("function", [hole, raising])
def test_walls_of_nan_and_errors_are_avoided(function):
    for start in (-2.5, 0.0, 3.4):
        end = climb(TestDensity(1, function), [start])
        assert end.outcome == "converged"
        assert end.place.position[0] == pytest.approx(3, abs=1e-6)


def test_the_top_at_an_edge():
    end = climb(TestDensity(1, lambda q: (q[0], np.ones(1)) if q[0] < 1 else (np.nan, q)), [0.0])
    assert end.outcome == "stuck"
    assert 0.99 < end.place.position[0] < 1


def test_a_start_that_is_not_finite():
    assert climb(TRUNCATED.eager(), [2.0]).outcome == "stuck"


def test_no_bound():
    end = climb(TestDensity(2, lambda q: (q[0] - q[1] ** 2, np.array([1, -2 * q[1]]))), [0, 1.0])
    assert end.outcome == "ran away"
    assert end.drift.argmax() == 0


def test_iterations_are_counted_and_end_it():
    end = climb(TestDensity(10, rosenbrock), np.full(10, -1.0), iterations=7)
    assert (end.outcome, end.iterations) == ("unfinished", 7)


def test_a_step_meets_the_wolfe_conditions():
    density = SKEWED.eager()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        q = rng.uniform(-2, 2, 2)
        start = Place(q, *density.value_and_grad(q))
        direction = start.gradient * rng.uniform(0.01, 10)
        slope = start.gradient @ direction
        found = search(Objective(density), start, direction, 1.0)
        assert found is not None
        length = np.linalg.norm(found.position - q) / np.linalg.norm(direction)
        assert found.value >= start.value + 1e-4 * length * slope
        assert abs(found.gradient @ direction) <= 0.9 * slope
