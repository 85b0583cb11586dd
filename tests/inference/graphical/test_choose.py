"""The engine chosen for a network follows its width, zeros and size."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.inference.graphical.choose import choose_engine
from probgen.inference.graphical.influence import influences
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, grid


@pytest.mark.parametrize("name", AWKWARD)
def test_small_networks_are_answered_exactly(name):
    method, reason = choose_engine(condition(AWKWARD[name]))
    assert method.name == "Exact"
    assert "width" in reason


def test_wide_networks():
    assert choose_engine(condition(grid(40, 40, 0.5, 0.1)))[0].name == "Gibbs"
    assert choose_engine(condition(grid(40, 40, 0.5, 0.1, seed=None)))[0].name == "SwendsenWang"


def test_tightly_held_networks_are_tempered():
    method, reason = choose_engine(condition(grid(40, 40, 2.0, 0.5)))
    assert method.name == "ParallelTempering"
    assert "so tightly" in reason


def test_influences_bound_the_change_of_a_conditional():
    coupling = 0.7
    pair = condition(
        Network(
            ("a", "b"), ((0, 1),) * 2,
            (Factor((0, 1), np.array([[coupling, -coupling], [-coupling, coupling]])),), "pair",
        )
    )  # fmt: skip
    np.testing.assert_allclose(influences(pair), np.tanh(coupling))
    rng = np.random.default_rng(0)
    table = rng.normal(0, 1, (3, 4))
    any_pair = condition(
        Network(("a", "b"), (tuple("xyz"), tuple("wxyz")), (Factor((0, 1), table),), "any")
    )
    given = np.exp(table) / np.exp(table).sum(axis=0)
    change = max(0.5 * np.abs(given[:, i] - given[:, j]).sum() for i in range(4) for j in range(4))
    assert change <= influences(any_pair)[0] + 1e-12
    loose = condition(AWKWARD["unary"])
    assert influences(loose).max() == 0


def test_zeros_that_cannot_be_blocked_need_tempering():
    rng = np.random.default_rng(0)
    n, factors = 200, []
    for _ in range(150):  # parity checks on random triples: tied together, and wide
        scope = tuple(int(v) for v in rng.choice(n, 3, replace=False))
        table = np.where(np.indices((2, 2, 2)).sum(axis=0) % 2 == 0, 0.0, -np.inf)
        factors.append(Factor(scope, table))
    network = Network(tuple(range(n)), ((0, 1),) * n, tuple(factors), "parity")
    method, reason = choose_engine(condition(network))
    assert method.name == "ParallelTempering"
    assert "too wide" in reason
