"""A plan's claims against all joint states of small networks, listed."""

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.errors import EvidenceError, ModelError
from probgen.inference.graphical.blocks.plan import plan_blocks, single_site_is_safe
from probgen.inference.graphical.blocks.support import Support
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import DETERMINISTIC, POSITIVE, grid
from tests.inference.graphical.block_networks import (
    all_reached,
    deterministic,
    moves_of,
    with_zeros,
)

CASES = [
    *((f"zeros{seed}", with_zeros(seed)) for seed in range(300)),
    *((f"deterministic{seed}", deterministic(seed)) for seed in range(100)),
    *((name, condition(network)) for name, network in DETERMINISTIC.items()),
]


@pytest.mark.parametrize("limit", [2**16, 12, 4])
def test_a_plan_never_claims_to_reach_what_it_does_not(limit):
    claimed = 0
    for name, factors in CASES:
        plan = plan_blocks(factors, limit=limit)
        claimed += plan.irreducible
        if plan.irreducible:
            assert all_reached(factors, moves_of(factors, plan.blocks)), name
    assert claimed > len(CASES) / 2


def test_folding_the_wrong_way_round_is_noticed(monkeypatch):
    """States folded that another cannot stand in for: claims that do not hold."""

    def without_tables(self, v):
        folded = self.domains[v].copy()
        folded[np.flatnonzero(folded)[0]] = False
        return folded & (np.array([len(self.of[v])]) == 1)

    monkeypatch.setattr(Support, "_dominated", without_tables)
    with pytest.raises(AssertionError):
        test_single_sites_are_safe_exactly_where_they_reach_all_states()


def test_small_networks_are_always_made_irreducible():
    assert all(plan_blocks(factors).irreducible for _, factors in CASES)


def test_single_sites_are_safe_exactly_where_they_reach_all_states():
    """Exactly so because components of few states are listed."""
    answers = []
    for name, factors in CASES:
        safe = single_site_is_safe(factors)
        assert safe == all_reached(factors, moves_of(factors, [])), name
        answers.append(safe)
    assert 0.2 < np.mean(answers) < 0.95


@pytest.mark.parametrize("name", POSITIVE)
def test_networks_without_zeros_need_no_blocks(name):
    factors = condition(POSITIVE[name])
    plan = plan_blocks(factors)
    assert plan.irreducible
    assert plan.blocks == ()
    assert "single moves" in plan.reason
    assert single_site_is_safe(factors)


def test_everything_observed_needs_no_blocks():
    network = DETERMINISTIC["xor"]
    plan = plan_blocks(condition(network, {0: 1, 1: 0, 2: 1}))
    assert plan.irreducible
    assert plan.blocks == ()


def test_xor_is_one_block_and_says_so():
    plan = plan_blocks(condition(DETERMINISTIC["xor"]))
    assert plan.blocks == ((0, 1, 2),)
    assert "tie 3 variables together ('a', 'b', 'c')" in plan.reason


def nearly_copies(error: float) -> Network:
    """b and c copy a, b with rare errors and c without."""
    copy = Factor((0, 2), np.where(np.eye(2) == 1, 0.0, -np.inf))
    rare = Factor((0, 1), np.log([[1 - error, error], [error, 1 - error]]))
    return Network(("a", "b", "c"), ((0, 1),) * 3, (copy, rare))


def test_small_probabilities_tie_in_networks_with_zeros():
    assert plan_blocks(condition(nearly_copies(0.3))).blocks == ((0, 2),)
    assert plan_blocks(condition(nearly_copies(0.01))).blocks == ((0, 1, 2),)


def test_evidence_that_undoes_the_zeros_undoes_the_block():
    """Of c = a xor b, with a seen, b and c are copies of each other; with c seen too, fixed."""
    factors = condition(DETERMINISTIC["xor"], {0: 1})
    assert plan_blocks(factors).blocks == ((0, 1),)
    assert plan_blocks(condition(DETERMINISTIC["xor"], {0: 1, 2: 0})).blocks == ()


def test_states_made_impossible_elsewhere_do_not_tie():
    """b == c is forced only where a is 1, and a unary factor rules that out."""
    table = np.zeros((2, 2, 2))
    table[1] = np.log([[1, 1e-300], [1e-300, 1]])
    table[1][table[1] < -100] = -np.inf
    never = Factor((0,), np.array([0.0, -np.inf]))
    network = Network(("a", "b", "c"), ((0, 1),) * 3, (Factor((0, 1, 2), table), never))
    assert plan_blocks(condition(network)).blocks == ()


def no_equal_neighbours(rows: int, columns: int, colours: int) -> Network:
    """Proper colourings of a grid; with two colours there are two, far apart."""
    states = grid(rows, columns, 1.0, 0.0)
    with np.errstate(divide="ignore"):
        differ = np.log(1.0 - np.eye(colours))
    factors = tuple(Factor(f.scope, differ) for f in states.factors if len(f.scope) == 2)
    return Network(states.names, (tuple(range(colours)),) * len(states.names), factors)


def test_what_is_too_wide_gets_overlapping_blocks_and_a_warning():
    factors = condition(no_equal_neighbours(6, 6, 4))
    plan = plan_blocks(factors, limit=300)
    assert not plan.irreducible
    assert "not proven" in plan.reason
    assert "R-hat" in plan.reason
    assert set().union(*plan.blocks) == set(range(36))
    assert max(plan.costs) <= 300


def test_wide_blocks_are_proven_by_listing_few_states():
    """Two colourings of a grid, which no overlapping blocks connect: found out by listing."""
    factors = condition(no_equal_neighbours(5, 5, 2))
    assert plan_blocks(factors).irreducible
    assert not plan_blocks(factors, limit=1).irreducible


def test_impossible_evidence_is_an_error_that_names_it():
    network = DETERMINISTIC["xor"]
    two = Factor((0,), np.log([0.5, 0.5]))
    both = Network(network.names, network.states, (*network.factors, two))
    half = condition(both, {0: 1, 1: 1})
    assert plan_blocks(half).irreducible
    fourth = Factor((2,), np.array([-np.inf, 0.0]))
    never = Network(network.names, network.states, (*network.factors, fourth))
    with pytest.raises(EvidenceError, match="a=yes"):
        plan_blocks(condition(never, {0: 1, 1: 1}))


def test_a_network_without_possible_states_is_an_error():
    never = Factor((0, 1), np.full((2, 2), -np.inf))
    with pytest.raises(ModelError, match="probability zero"):
        plan_blocks(condition(Network(("a", "b"), ((0, 1),) * 2, (never,))))
