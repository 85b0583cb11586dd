"""Exact inference on published networks, held against itself: evidence, draws, marginals."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.declare.networks.bundled import load_bundled
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.targets.factors import Factors, condition


@pytest.mark.parametrize("name", ["cancer", "alarm", "hepar2", "munin2"])
def test_evidence_of_a_whole_draw_is_its_probability(name):
    """The log evidence of all variables but some equals the sum over those of log joints."""
    network = load_bundled(name)
    whole = condition(network)
    draw = calibrate(whole).sample(1, seed=1)[0]
    assert calibrate(whole).log_z == pytest.approx(0, abs=2e-3)  # printed digits of the tables
    left = {0, len(draw) - 1}
    factors = condition(network, {v: int(s) for v, s in enumerate(draw) if v not in left})
    cards = [int(network.cards[v]) for v in sorted(left)]
    grid = np.stack(np.meshgrid(*map(np.arange, cards), indexing="ij"), -1)
    total = np.logaddexp.reduce(factors.log_joint(grid).ravel())
    assert calibrate(factors).log_z == pytest.approx(total, rel=1e-12)


def test_log_joint_of_draws_has_the_mean_that_marginals_give():
    """E[log joint] by draws against the sum over factors of expected log tables."""
    factors: Factors = condition(load_bundled("hailfinder"))
    tree = calibrate(factors)
    expected = factors.log_constant
    for table, weights in zip(factors.log_tables, tree.factor_marginals(), strict=True):
        seen = weights > 0
        expected += float((weights[seen] * table[seen]).sum())
    values = factors.log_joint(tree.sample(4000, seed=8))
    assert abs(values.mean() - expected) < 5 * values.std() / np.sqrt(4000)
