"""Merged tables multiply to the conditional distributions of the network."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.inference.graphical.sweeps.tables import merged_tables
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD
from tests.inference.graphical.sweep_checks import random_states


@pytest.mark.parametrize("most", [1, 30, 4096])
@pytest.mark.parametrize("name", AWKWARD)
def test_product_is_the_conditional(name: str, most: int) -> None:
    factors = condition(AWKWARD[name])
    states = random_states(factors, 1)[:, 0].astype(int)
    for v, tables in enumerate(merged_tables(factors, most)):
        found = sum(
            table.logs[
                sum(s * states[w] for s, w in zip(table.strides, table.parents, strict=True))
            ]
            for table in tables
        )
        every = np.repeat(states[None], factors.cards[v], axis=0)
        every[:, v] = np.arange(factors.cards[v])
        exact = factors.log_joint(every)
        with np.errstate(invalid="ignore"):
            assert_same_up_to_a_constant(found, exact)


def assert_same_up_to_a_constant(found: np.ndarray, exact: np.ndarray) -> None:
    possible = exact > -np.inf
    if not possible.any():
        return
    np.testing.assert_array_equal(found > -np.inf, possible)
    shift = (found - exact)[possible]
    np.testing.assert_allclose(shift, shift[0], atol=1e-9)
