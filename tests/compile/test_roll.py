"""Programs with loops over time: rolled up, and equal to what torch computes step by step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from probgen.compile.components import components
from probgen.compile.places import Place
from probgen.compile.recurrence import _Recurrence
from probgen.compile.steps import Steps
from tests.compile.compiled import Case, assert_same, compile_cases, lowered
from tests.compile.recursions import random_recursion
from tests.compile.time_series import TIME_SERIES, forward_algorithm, garch, volatility

QUICK = [garch, volatility, forward_algorithm]


def check(cases: list[Case]) -> None:
    for name, compiled in compile_cases(cases).items():
        if isinstance(compiled, Exception):
            raise AssertionError(name) from compiled
        for point in range(2):
            assert_same(compiled, compiled.case.inputs(point))


# --- what is computed ----------------------------------------------------------------------


def test_time_series():
    check([make(40) for make in QUICK])


@pytest.mark.slow
def test_longer_time_series():
    check([make(60) for make in TIME_SERIES])


def test_random_recursions():
    check([random_recursion(seed) for seed in (0, 4, 8)])


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 15, *range(100, 200, 20)])
def test_many_random_recursions(start):
    check([random_recursion(seed) for seed in range(start, start + 20)])


def test_a_site_at_every_step():
    """Every step has inputs and outputs of its own, as under `pyro.markov`."""

    def function(*x):
        total = -0.5 * x[0] ** 2
        for before, now in itertools.pairwise(x):
            total = total - 0.5 * (now - 0.9 * before) ** 2 - 0.5 * now.exp()
        return total

    check([Case("sites", function, ((),) * 60)])


def test_truth_values_are_carried():
    y = torch.linspace(-1, 1, 50, dtype=torch.float64)

    def function(a, b):
        x, high, visits = a, a > b, []
        for t in range(50):
            x = torch.where(high, 0.5 * x + y[t], x + b)
            high = x > y[t]
            visits.append(high)
        return x, torch.stack(visits).double() * y

    check([Case("truth", function, ((), ()))])


# --- how much text it takes ----------------------------------------------------------------


def _grows_little(make, lengths: tuple[int, int]) -> None:
    short, long = (len(lowered(make(length)).emitted.text) for length in lengths)
    assert long < 1.2 * short
    assert long < 60_000


@pytest.mark.parametrize("make", QUICK, ids=lambda make: make.__name__)
def test_text_does_not_grow_with_time(make):
    _grows_little(make, (60, 120))


@pytest.mark.slow
@pytest.mark.parametrize("make", TIME_SERIES, ids=lambda make: make.__name__)
def test_text_does_not_grow_with_more_time(make):
    _grows_little(make, (80, 320))


# --- broken variants -----------------------------------------------------------------------


def _one_element_off(recurrence: _Recurrence, slot: int) -> None:
    kept = recurrence.kept[slot]
    place = Place(recurrence.loop, 1, (kept.first or 0) + 1)
    recurrence.steps.put(slot, place, recurrence.steps.body[slot].size)


def _fails(case: Case) -> bool:
    try:
        check([case])
    except AssertionError:
        return True
    return False


def test_a_place_one_element_off_is_noticed(monkeypatch):
    monkeypatch.setattr(_Recurrence, "_publish", _one_element_off)
    assert _fails(TIME_SERIES[0](60))


def test_unlike_first_steps_are_noticed(monkeypatch):
    """Steps that reach back before the run must find there what later steps find in it."""
    monkeypatch.setattr(Steps, "_check_operand", lambda *_: None)
    assert _fails(random_recursion(1))


# --- parts -----------------------------------------------------------------------------------


def test_components():
    sources = [[], [0, 3], [1], [2], [3, 4], [0]]
    assert components(sources) == [[0], [1, 2, 3], [4], [5]]


def test_components_against_reachability():
    generator = np.random.default_rng(3)
    for _ in range(50):
        needs = generator.random((8, 8)) < 0.15
        parts = components([np.flatnonzero(row).tolist() for row in needs])
        reach = np.linalg.matrix_power(needs + np.eye(8, dtype=int), 8) > 0
        together = reach & reach.T
        assert sorted(map(sorted, {tuple(np.flatnonzero(row)) for row in together})) == sorted(
            parts
        )
        seen: set[int] = set()
        for part in parts:
            seen.update(part)
            assert {j for i in part for j in np.flatnonzero(needs[i])} <= seen
