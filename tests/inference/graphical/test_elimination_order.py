"""Elimination orders and the clique trees made of them."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from probgen.declare.network import Network
from probgen.errors import BuildError
from probgen.inference.graphical.elimination import plan as plan_module
from probgen.inference.graphical.elimination.memory import cost_of
from probgen.inference.graphical.elimination.plan import EliminationPlan, plan_elimination
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, grid, markov


@pytest.fixture(params=["native", "numpy"])
def engine(request, monkeypatch):
    """Both ways of finding an order."""

    def missing(entry: str) -> None:
        raise BuildError("no compiler")

    plan_module._plans.clear()
    if request.param == "numpy":
        monkeypatch.setattr(plan_module, "open_library", missing)
    yield request.param
    plan_module._plans.clear()


def random_network(seed: int, n: int = 14, factors: int = 18) -> Network:
    rng = np.random.default_rng(seed)
    cards = rng.integers(1, 5, n).tolist()
    scopes = [
        tuple(int(v) for v in rng.permutation(n)[: rng.integers(1, 4)]) for _ in range(factors)
    ]
    return markov(cards, scopes, seed, f"random{seed}")


def check_plan(plan: EliminationPlan, factors: Factors) -> None:
    """The definition of a junction tree, and that the packed numbers agree with each other."""
    n, cliques = len(factors.free), plan.cliques
    assert sorted(plan.order) == list(range(n))
    place = np.argsort(plan.order)
    sizes = [int(plan.cards[c].prod()) for c in cliques]
    np.testing.assert_array_equal(np.diff(plan.table_offsets), sizes)
    assert plan.entries == sum(sizes)
    assert plan.width == max(map(len, cliques), default=0) - 1
    if sizes:
        assert 2**plan.log2_largest == pytest.approx(max(sizes))
    for k, clique in enumerate(cliques):
        assert (np.diff(place[clique]) < 0).all(), "axes stand against the order of elimination"
        parent, shared = int(plan.parents[k]), int(plan.separators[k])
        narrow = int(plan.separator_offsets[k + 1] - plan.separator_offsets[k])
        if parent < 0:
            assert (shared, narrow) == (0, 0)
        else:
            assert parent > k
            assert set(clique[:shared]) == set(clique) & set(cliques[parent])
            assert narrow == plan.cards[clique[:shared]].prod()
    own = [int(v) for k, c in enumerate(cliques) for v in c[plan.separators[k] :]]
    assert sorted(own) == list(range(n)), "each variable is at the top of one subtree"
    for scope, home in zip(factors.scopes, plan.homes, strict=True):
        assert set(scope) <= set(cliques[home].tolist())


@pytest.mark.parametrize("name", AWKWARD)
def test_plans_of_awkward_networks(name, engine):
    network = AWKWARD[name]
    for evidence in ({}, {0: 0}, dict.fromkeys(range(len(network.names)), 0)):
        try:
            factors = condition(network, evidence)
        except ValueError:
            continue
        check_plan(plan_elimination(factors), factors)


@pytest.mark.parametrize("seed", range(12))
def test_plans_of_random_networks(seed, engine):
    factors = condition(random_network(seed))
    check_plan(plan_elimination(factors), factors)
    stages = np.random.default_rng(seed).integers(0, 2, len(factors.free)).astype(np.int32)
    plan = plan_elimination(factors, stages)
    check_plan(plan, factors)
    assert (np.diff(stages[plan.order]) >= 0).all()


def test_bundles_keep_a_junction_tree():
    """A complete graph has one clique with far too many factors to pass over it for each."""
    network = markov([2] * 14, list(itertools.combinations(range(14), 2)), 0, "complete")
    factors = condition(network)
    plan = plan_elimination(factors)
    check_plan(plan, factors)
    assert len(plan.cliques) > 1
    assert np.bincount(plan.homes).max() < 70


@pytest.mark.parametrize("name", ["chain", "star", "loop", "grid"])
def test_known_widths(name, engine):
    width = {"chain": 1, "star": 1, "loop": 2, "grid": 3}[name]
    assert plan_elimination(condition(AWKWARD[name])).width == width


def test_small_grids_are_near_their_treewidth():
    for rows in range(2, 8):
        plan = plan_elimination(condition(grid(rows, rows + 3, 1.0, 0.1)))
        assert rows <= plan.width <= rows + 2


def test_equal_structures_share_a_plan(monkeypatch):
    network = AWKWARD["cards"]
    plan_module._plans.clear()
    first = plan_elimination(condition(network, {0: 0}))
    assert plan_elimination(condition(network, {0: 3})) is first
    assert plan_elimination(condition(network, {1: 0})) is not first
    for seed in range(plan_module.KEPT_PLANS + 1):
        plan_elimination(condition(random_network(seed, 4, 6)))
    assert plan_elimination(condition(network, {0: 0})) is not first


def test_plans_do_not_depend_on_chance():
    factors = condition(grid(9, 9, 1.0, 0.1))
    first = plan_elimination(factors).packed
    plan_module._plans.clear()
    np.testing.assert_array_equal(plan_elimination(factors).packed, first)


def test_width_of_a_hopeless_grid_is_known_quickly():
    factors = condition(grid(128, 128, 1.0, 0.1))
    _ = factors.flat
    started = time.process_time()
    cost = cost_of(factors)
    assert time.process_time() - started < 4
    assert not cost.feasible
    assert 128 <= cost.width < 250
    assert cost.log2_largest == cost.width + 1
    assert cost.entries > 2.0**cost.width


def test_large_star_and_dense_graph_are_quick():
    star = markov([2] * 3000, [(0, v) for v in range(1, 3000)], 0, "star")
    dense = markov([2] * 150, list(itertools.combinations(range(150), 2)), 0, "dense")
    started = time.process_time()
    assert plan_elimination(condition(star)).width == 1
    assert plan_elimination(condition(dense)).width == 149
    assert time.process_time() - started < 4


@pytest.mark.parametrize("seed", range(6))
def test_native_order_is_no_worse_than_the_twin(seed, monkeypatch):
    factors = condition(random_network(seed, 30, 60))
    plan_module._plans.clear()
    native = plan_elimination(factors)

    def missing(entry: str) -> None:
        raise BuildError("no compiler")

    monkeypatch.setattr(plan_module, "open_library", missing)
    plan_module._plans.clear()
    assert native.log2_entries <= plan_elimination(factors).log2_entries + 0.5
    plan_module._plans.clear()
