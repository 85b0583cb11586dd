"""Tree depth, acceptance and step size against their limits."""

import numpy as np
import pytest
from synthetic_runs import CHAINS, DRAWS, good_stats, normal, rng, tree_of
from test_convergence_checks import finding

from probgen.diagnose import diagnose


def deep(share: float) -> np.ndarray:
    return np.where(rng(8).random((CHAINS, DRAWS)) < share, 10, 5)


@pytest.mark.parametrize(
    "attrs", [{"max_tree_depth": 10}, {"method": "NUTS(target_accept=0.8, max_tree_depth=10)"}]
)
def test_saturated_depth_by_the_limit(attrs):
    tree = tree_of({"mu": normal(1)}, attrs=attrs, tree_depth=deep(0.3))
    found = finding(diagnose(tree), "tree depth")
    assert found.severity == "warning"
    assert "of the draws stopped at the largest tree depth (10)" in found.message
    assert "max_tree_depth to 12" in found.advice


def test_saturated_depth_by_the_flag():
    stats = good_stats() | {"reached_max_depth": deep(0.3) == 10}
    found = finding(diagnose(tree_of({"mu": normal(1)}, stats)), "tree depth")
    assert "raise the limit" in found.advice


def test_rarely_reached_or_unknown_depth_is_silent():
    attrs = {"max_tree_depth": 10}
    assert diagnose(tree_of({"mu": normal(1)}, attrs=attrs, tree_depth=deep(0.003))).ok
    assert diagnose(tree_of({"mu": normal(1)}, tree_depth=deep(0.3))).ok


def test_low_acceptance_names_the_chain_and_the_target():
    rate = good_stats()["acceptance_rate"]
    rate[2] = 0.55
    tree = tree_of({"mu": normal(1)}, attrs={"target_accept": 0.8}, acceptance_rate=rate)
    found = finding(diagnose(tree), "acceptance")
    assert "0.55 in chain 2; the target is 0.8" in found.message
    assert "above 0.8" in found.advice
    assert diagnose(tree, acceptance_gap=0.3).ok


def test_acceptance_without_a_known_target_must_be_poor_to_count():
    rate = np.full((CHAINS, DRAWS), 0.55)
    assert diagnose(tree_of({"mu": normal(1)}, acceptance_rate=rate)).ok
    found = finding(diagnose(tree_of({"mu": normal(1)}, acceptance_rate=rate / 2)), "acceptance")
    assert "all 4 chains" in found.message


def test_acceptance_far_above_target_is_a_note():
    tree = tree_of(
        {"mu": normal(1)},
        attrs={"target_accept": 0.6},
        acceptance_rate=np.full((CHAINS, DRAWS), 0.97),
    )
    assert finding(diagnose(tree), "acceptance").severity == "note"


def test_a_chain_with_a_tiny_step_size_is_named():
    step = good_stats()["step_size"]
    step[1] = 1e-4
    found = finding(diagnose(tree_of({"mu": normal(1)}, step_size=step)), "step size")
    assert "0.0001 in chain 1, 0.5 in the median" in found.message
