"""Isokinetic steps: reversible, at constant speed, of second order, and honest on volume.

The energy change must be the logarithm of the Metropolis ratio: density ratio times Jacobian of
the step on positions and directions. That is checked against finite differences.
"""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest

from probgen.inference.adapt.metric import Metric
from probgen.inference.microcanonical import isokinetic
from probgen.inference.microcanonical.isokinetic import Isokinetic, refreshed, refreshed_partly
from probgen.inference.microcanonical.settings import INTEGRATORS, make_microcanonical
from probgen.inference.native.microcanonical import load_microcanonical
from probgen.inference.phase_space import Hamiltonian
from tests.inference.targets import CORRELATED, SKEWED, WIDE, Target

integrators = pytest.mark.parametrize("integrator", INTEGRATORS)
targets = pytest.mark.parametrize("target", [SKEWED, CORRELATED, WIDE], ids=lambda t: t.name)


def numpy_steps(target: Target, position, velocity, step, steps, integrator, scale=None):
    """Position, velocity and energy change after `steps` steps of the numpy engine."""
    metric = Metric(target.dim)
    metric.scale = np.ones(target.dim) if scale is None else scale
    system = Hamiltonian(target.eager(), metric)
    move, point, change = Isokinetic(system, INTEGRATORS[integrator]), system.point(position), 0.0
    for _ in range(steps):
        point, velocity, more = move(point, velocity, step)
        change += more
    return point.position, velocity, change


def native_steps(target: Target, position, velocity, step, steps, integrator):
    """The same of the native engine."""
    settings = make_microcanonical(
        "diag", dim=target.dim, warmup=0, step_size=step, integrator=INTEGRATORS[integrator]
    )
    q, u, native = position.copy(), velocity.copy(), target.native().native
    assert native is not None
    change = load_microcanonical().probgen_isokinetic(
        ctypes.byref(settings), native.address, native.context, q.ctypes.data, u.ctypes.data, steps
    )
    return q, u, change


engines = pytest.mark.parametrize("engine", [numpy_steps, native_steps])


def start_of(target: Target) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return target.mean + 0.7 * rng.standard_normal(target.dim), refreshed(target.dim, rng)


@targets
@integrators
def test_engines_agree_step_for_step(integrator, target):
    start = start_of(target)
    expected = numpy_steps(target, *start, 0.2, 50, integrator)
    for ours, theirs in zip(native_steps(target, *start, 0.2, 50, integrator), expected,
                            strict=True):  # fmt: skip
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


@targets
@integrators
@engines
def test_there_and_back(engine, integrator, target):
    position, velocity = start_of(target)
    there, arriving, change = engine(target, position, velocity, 0.3, 40, integrator)
    assert np.abs(there - position).max() > 0.1
    back, leaving, other = engine(target, there, -arriving, 0.3, 40, integrator)
    np.testing.assert_allclose(back, position, atol=1e-8)
    np.testing.assert_allclose(leaving, -velocity, atol=1e-8)
    assert other == pytest.approx(-change, abs=1e-8)


@targets
@integrators
@engines
def test_the_speed_stays_one(engine, integrator, target):
    _, velocity, _ = engine(target, *start_of(target), 0.5, 1000, integrator)
    assert np.linalg.norm(velocity) == pytest.approx(1, abs=1e-12)


@targets
@integrators
@engines
def test_the_energy_error_is_of_second_order(engine, integrator, target):
    start = start_of(target)

    def error(steps: int) -> float:
        return engine(target, *start, 1.0 / steps, steps, integrator)[2]

    assert abs(error(64)) < 0.05
    assert error(64) / error(128) == pytest.approx(4, rel=0.1)


def log_volume(target: Target, position, velocity, step, integrator, scale) -> float:
    """Logarithm of the Jacobian of one step on positions and directions."""

    def tangents(u: np.ndarray) -> np.ndarray:
        return np.linalg.svd(u[None, :])[2][1:]

    _, arriving, _ = numpy_steps(target, position, velocity, step, 1, integrator, scale)
    from_basis, to_basis, h = tangents(velocity), tangents(arriving), 1e-5

    def moved(dq: np.ndarray, du: np.ndarray) -> np.ndarray:
        u = velocity + du
        q, u, _ = numpy_steps(target, position + dq, u / np.linalg.norm(u), step, 1, integrator,
                              scale)  # fmt: skip
        return np.concatenate([q, to_basis @ u])

    zero = np.zeros(target.dim)
    changes = [*((h * e, zero) for e in np.eye(target.dim)), *((zero, h * b) for b in from_basis)]
    columns = [(moved(dq, du) - moved(-dq, -du)) / (2 * h) for dq, du in changes]
    sign, value = np.linalg.slogdet(np.array(columns))
    assert sign != 0
    return float(value)


def check_metropolis_ratio(target: Target, integrator: str) -> None:
    position, velocity = start_of(target)
    scale = np.exp(0.3 * np.random.default_rng(5).standard_normal(target.dim))
    there, _, change = numpy_steps(target, position, velocity, 0.8, 1, integrator, scale)
    gain = target.python(there)[0] - target.python(position)[0]
    volume = log_volume(target, position, velocity, 0.8, integrator, scale)
    assert abs(change) > 1e-4
    assert gain + volume == pytest.approx(-change, rel=1e-4, abs=1e-6)


@targets
@integrators
def test_the_energy_change_is_the_metropolis_ratio(integrator, target):
    check_metropolis_ratio(target, integrator)


right = isokinetic.turn


def without_kinetic_term(force, velocity, step):
    return right(force, velocity, step)[0], 0.0


def with_all_dimensions(force, velocity, step):
    velocity, change = right(force, velocity, step)
    return velocity, change * velocity.size / (velocity.size - 1)


def with_half_the_change(force, velocity, step):
    velocity, change = right(force, velocity, step)
    return velocity, 0.5 * change


def with_a_wrong_turn(force, velocity, step):
    """The force is not divided by d - 1."""
    return right(force * (velocity.size - 1), velocity, step)[0], right(force, velocity, step)[1]


@pytest.mark.parametrize(
    "broken",
    [without_kinetic_term, with_all_dimensions, with_half_the_change, with_a_wrong_turn],
)
def test_broken_turns_are_noticed(monkeypatch, broken):
    monkeypatch.setattr(isokinetic, "turn", broken)
    with pytest.raises(AssertionError):
        check_metropolis_ratio(CORRELATED, "leapfrog")


def test_the_turn_has_its_limits():
    velocity = np.array([0.6, 0.8, 0.0])
    turned, change = right(np.zeros(3), velocity, 1.0)
    np.testing.assert_array_equal(turned, velocity)
    assert change == 0
    force = np.array([0.0, 0.0, 1e6])  # so strong that the direction is the force's
    turned, change = right(force, velocity, 1.0)
    np.testing.assert_allclose(turned, [0, 0, 1], atol=1e-12)
    assert change == pytest.approx(1e6 - 2 * math.log(2))
    turned, change = right(-20 * velocity, velocity, 1.0)  # straight against it: no turn
    np.testing.assert_allclose(turned, velocity)
    assert change == pytest.approx(-20)


def test_partial_refreshment_decoheres_over_its_length():
    """The correlation of directions falls as exp(-time / length)."""
    rng, dim, step, length, steps = np.random.default_rng(1), 200, 0.5, 10.0, 20
    kept = []
    for _ in range(300):
        first = velocity = refreshed(dim, rng)
        for _ in range(steps):
            velocity = refreshed_partly(velocity, step, length, rng)
        assert np.linalg.norm(velocity) == pytest.approx(1)
        kept.append(first @ velocity)
    error = np.std(kept) / math.sqrt(len(kept))
    assert np.mean(kept) == pytest.approx(math.exp(-steps * step / length), abs=5 * error + 0.003)
