"""Schedules: pure functions of the step, with the values that their formulas say."""

from __future__ import annotations

import math

import pytest

from probgen.errors import OptionError
from probgen.learn.training.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Piecewise,
    Product,
    Schedule,
    Sequential,
    WarmUp,
)
from probgen.learn.training.values import describe_value, made_again

ALL: list[Schedule] = [
    Constant(0.3),
    Linear(1.0, 0.0),
    Cosine(0.1, 0.01, steps=30),
    Exponential(1.0, 1e-3),
    Piecewise((10, 50), (1.0, 0.1, 0.01)),
    WarmUp(Linear(1.0, 0.5), 10),
    Sequential(0.5, 20, Cosine(0.5)),
    Linear(1.0, 2.0) * 0.5 * WarmUp(1.0, 5),
]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(0.3), {0: 0.3, 99: 0.3}),
        (Linear(1.0, 0.0), {0: 1.0, 33: 1 - 33 / 99, 99: 0.0}),
        (Linear(1.0, 3.0, steps=10), {0: 1.0, 5: 2.0, 10: 3.0, 99: 3.0}),
        (Cosine(2.0, 1.0, steps=60), {0: 2.0, 20: 1.75, 30: 1.5, 60: 1.0, 99: 1.0}),
        (Exponential(1.0, 0.01, steps=10), {0: 1.0, 5: 0.1, 10: 0.01, 99: 0.01}),
        (Exponential(-1.0, -0.01, steps=10), {5: -0.1}),
        (Piecewise((10, 50), (1.0, 0.1, 0.01)), {0: 1.0, 9: 1.0, 10: 0.1, 49: 0.1, 50: 0.01}),
        (WarmUp(2.0, 4), {0: 0.5, 1: 1.0, 3: 2.0, 4: 2.0}),
        (WarmUp(Linear(1.0, 0.0, steps=10), 2), {0: 0.5, 1: 0.9, 5: 0.5}),
        (Sequential(0.5, 20, Linear(0.5, 0.0)), {0: 0.5, 19: 0.5, 20: 0.5, 99: 0.0}),
        (0.5 * Linear(1.0, 2.0), {0: 0.5, 99: 1.0}),
        (Linear(1.0, 2.0) * Linear(1.0, 2.0), {99: 4.0}),
    ],
    ids=str,
)
def test_values_are_those_of_the_formula(schedule, expected):
    found = {step: schedule.at(step, 100) for step in expected}
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_schedules_go_through_json_and_keep_no_state(schedule):
    values = [schedule.at(step, 100) for step in range(100)]
    again = made_again(describe_value(schedule))
    assert again == schedule
    assert [again.at(step, 100) for step in reversed(range(100))][::-1] == values
    assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Linear(1.0, 0.0, steps=0), "steps=0"),
        (lambda: Cosine(float("nan")), "start=nan must be finite"),
        (lambda: Exponential(1.0, 0.0), "one sign"),
        (lambda: Piecewise((5, 5), (1.0, 2.0, 3.0)), "rising"),
        (lambda: Piecewise((5,), (1.0,)), "one more"),
        (lambda: WarmUp(1.0, 2.5), "steps=2.5"),
        (lambda: Constant("high"), "value='high' must be a number"),
    ],
)
def test_impossible_schedules_are_refused(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_a_product_is_made_of_schedules():
    assert Linear(1.0, 0.0) * 2.0 == Product((Linear(1.0, 0.0), Constant(2.0)))
