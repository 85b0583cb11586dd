"""Colourings: proper, few colours where that is known, and quick."""

from __future__ import annotations

import time

import numpy as np
import pytest

from probgen.inference.graphical.sweeps.colouring import colour
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, markov
from tests.inference.graphical.test_ising_sweeps import torus


def check_proper(factors: Factors) -> int:
    colouring = colour(factors)
    for v, others in enumerate(factors.neighbours):
        assert all(colouring.colours[v] != colouring.colours[w] for w in others)
    np.testing.assert_array_equal(np.sort(colouring.order), np.arange(len(factors.cards)))
    assert (np.diff(colouring.colours[colouring.order]) >= 0).all()
    return colouring.count


@pytest.mark.parametrize("name", AWKWARD)
def test_neighbours_differ(name: str) -> None:
    check_proper(condition(AWKWARD[name]))


def test_known_numbers_of_colours() -> None:
    assert check_proper(condition(torus(6, 0.1, 0.1))) == 2
    assert check_proper(condition(torus(5, 0.1, 0.1))) in (3, 4)
    assert check_proper(condition(AWKWARD["star"])) == 2
    assert check_proper(condition(AWKWARD["complete"])) == 6
    assert check_proper(condition(AWKWARD["no_factor"])) == 1
    assert check_proper(condition(AWKWARD["unary"], {0: 0, 1: 0})) == 0


def test_evidence_cuts_the_graph() -> None:
    assert check_proper(condition(AWKWARD["star"], {0: 1})) == 1


def test_a_large_irregular_network_takes_little_time() -> None:
    rng = np.random.default_rng(3)
    scopes = [tuple(int(v) for v in rng.choice(4000, 3, replace=False)) for _ in range(8000)]
    factors = condition(markov([2] * 4000, scopes, 1, "large"))
    started = time.process_time()
    colours = colour(factors).count
    assert time.process_time() - started < 2.0
    assert colours <= 20
