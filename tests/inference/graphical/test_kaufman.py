"""The reference formula itself, against brute force and known limits."""

from __future__ import annotations

import math

import pytest

from probgen.targets.factors import condition
from tests.inference.graphical.awkward import brute_force
from tests.inference.graphical.kaufman_formula import CRITICAL, ising_torus, kaufman_log_z


@pytest.mark.parametrize("sides", [(2, 2), (2, 3), (3, 2), (3, 3), (3, 4), (4, 4)])
@pytest.mark.parametrize("couplings", [(0.2, 0.2), (CRITICAL, CRITICAL), (0.9, 0.9), (0.3, 0.7)])
def test_small_tori_against_brute_force(sides, couplings):
    exact = brute_force(condition(ising_torus(*sides, *couplings))).log_z
    assert kaufman_log_z(*sides, *couplings) == pytest.approx(exact, rel=1e-12)


def test_transposing_changes_nothing():
    assert kaufman_log_z(16, 40, 0.3, 0.6) == pytest.approx(kaufman_log_z(40, 16, 0.6, 0.3))


def test_limits():
    """Weak coupling: log 2 a spin; strong: two ground states; critical: 2 C / pi + log(2) / 2."""
    size = 256**2
    catalan = 0.915965594177219
    assert kaufman_log_z(256, 256, 1e-4) / size == pytest.approx(math.log(2), abs=1e-7)
    assert kaufman_log_z(256, 256, 3.0) == pytest.approx(6 * size + math.log(2), rel=1e-9)
    bulk = 2 * catalan / math.pi + math.log(2) / 2
    assert kaufman_log_z(256, 256, CRITICAL) / size == pytest.approx(bulk, abs=1e-4)
