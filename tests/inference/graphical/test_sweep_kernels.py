"""Every kernel of the native sweeps against brute force, and against each other bit by bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.errors import OptionError, SamplingError
from probgen.inference.graphical.sweeps import sweeper as sweeper_module
from probgen.inference.graphical.sweeps.log_joint import log_joint
from probgen.inference.graphical.sweeps.sweeper import Sweeper
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import POSITIVE, markov, xor
from tests.inference.graphical.sweep_checks import (
    check_marginals,
    extreme,
    hub,
    make_sweeper,
    many_states,
    portable,
    random_states,
    rare,
    steep,
    uniform_grid,
    z_scores,
)

DENSE = markov([2, 3, 4, 2, 5, 2], [(0, 1, 2), (1, 2, 4), (0, 3), (3, 4), (4, 5), (0, 5)], 31, "")
NETWORKS = [
    *POSITIVE.values(), extreme(), steep(), hub(9, 0.3), many_states(), uniform_grid(4, 3), DENSE,
]  # fmt: skip
OPTIONS = {
    "merged": {},
    "apart": {"merge": 1},
    "half": {"merge": 24},
    "not lumped": {"fast_paths": False, "merge": 8},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_marginals(name: str) -> None:
    check_marginals(make_sweeper(**OPTIONS[name]), NETWORKS)


def test_every_kind_is_reached() -> None:
    kinds: set[str] = set()
    for options in OPTIONS.values():
        for network in NETWORKS:
            kinds |= set(Sweeper(condition(network), **options).kinds)
    assert kinds == {"fixed", "small", "threshold", "odds", "product", "logarithm"}


def test_states_rarer_than_the_leading_bits() -> None:
    factors = condition(rare())
    assert np.abs(z_scores(factors, Sweeper(factors), chains=2048, sweeps=6000)).max() < 5


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_draws_do_not_depend_on_threads_or_cuts(
    options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on whether few chains go one by one, nor on how sweeps are shared among calls."""
    monkeypatch.setattr(sweeper_module, "LEAST_WORK", 1)
    for network in NETWORKS:
        factors = condition(network)
        sweeper = Sweeper(factors, **options)
        chains, total = 150, len(factors.cards)
        start = random_states(factors, chains)
        whole, counts, draws = run(sweeper, start, 10, [12])
        for threads in (2, 3):
            again = start.copy()
            sweeper.sweep(again, 5, 3, 12, first_chain=10, threads=threads)
            np.testing.assert_array_equal(again, whole)
        for begin, end in ((0, 1), (1, 6), (6, 75), (75, 150)):
            part = np.ascontiguousarray(start[:, begin:end])
            states, some, drawn = run(sweeper, part, 10 + begin, [4, 8])
            np.testing.assert_array_equal(states, whole[:, begin:end])
            np.testing.assert_array_equal(some, counts[:, begin:end])
            np.testing.assert_array_equal(drawn, draws[:, :, begin:end])
        assert (counts.sum(axis=0) == 12 * total).all()
        np.testing.assert_array_equal(draws[-1], whole)


def run(sweeper: Sweeper, start: np.ndarray, first_chain: int, calls: list[int]):
    states = start.copy()
    counts = np.zeros((int(sweeper.offsets[-1]), start.shape[1]), dtype=np.uint32)
    draws = np.zeros((sum(calls) // 2, *start.shape), dtype=np.uint8)
    done = 0
    for sweeps in calls:
        sweeper.sweep(
            states, 5, 3 + done, sweeps, first_chain=first_chain, counts=counts,
            draws=draws[done // 2 : (done + sweeps) // 2], thin=2,
        )  # fmt: skip
        done += sweeps
    return states, counts, draws


def test_without_wide_vectors_the_draws_are_the_same() -> None:
    library = portable()
    for network in NETWORKS:
        factors = condition(network)
        for options in ({}, {"merge": 8}):
            ours, theirs = random_states(factors, 100), random_states(factors, 100)
            Sweeper(factors, **options).sweep(ours, 9, 0, 20)
            Sweeper(factors, library=library, **options).sweep(theirs, 9, 0, 20)
            np.testing.assert_array_equal(ours, theirs)


def test_long_counts_do_not_overflow() -> None:
    factors = condition(rare())
    counts = np.zeros((6, 70), dtype=np.uint32)
    Sweeper(factors).sweep(random_states(factors, 70), 1, 0, 1000, counts=counts)
    assert (counts.reshape(3, 2, 70).sum(axis=1) == 1000).all()
    assert (counts[1] > 950).all()


def test_a_hub_of_a_thousand_does_not_underflow() -> None:
    """Its conditional is compared with one computed from logarithms, given fixed neighbours."""
    factors = condition(hub(1000, 0.6))
    for options in ({}, {"merge": 2}):
        sweeper = Sweeper(factors, **options)
        assert sweeper.kinds["logarithm"] == 1
        chains = 4096
        leaves = random_states(factors, 1, seed=7)[1:]
        logs = sum(t[:, leaves[k, 0]] for k, t in enumerate(factors.log_tables))
        # Pull the hub's own weights together, so that all its states are likely.
        own = -logs + np.array([0.0, 0.5, -0.3])
        balanced = condition_with_unary(factors, own)
        states = np.repeat(np.vstack([[[0]], leaves]).astype(np.uint8), chains, axis=1)
        sweeper = Sweeper(balanced, **options)
        sweeper.sweep(states, 3, 0, 1, subset=np.array([0]))
        np.testing.assert_array_equal(states[1:], np.repeat(leaves, chains, axis=1))
        exact = np.exp([0.0, 0.5, -0.3]) / np.exp([0.0, 0.5, -0.3]).sum()
        share = np.bincount(states[0], minlength=3) / chains
        assert np.abs(share - exact).max() < 5 * np.sqrt(0.25 / chains)


def condition_with_unary(factors: Factors, own: np.ndarray) -> Factors:
    return replace(
        factors,
        scopes=(*factors.scopes, (0,)),
        log_tables=(*factors.log_tables, own),
        children=(*factors.children, None),
    )


def test_states_of_weight_zero_are_never_drawn() -> None:
    zero = -np.inf
    network = Network(
        ("a", "b", "c"),
        ((0, 1, 2, 3),) * 3,
        (
            Factor((0,), np.array([zero, 0.0, zero, zero])),
            Factor((1,), np.array([zero, 0.0, -0.5, zero])),
            Factor((1, 2), np.where(np.eye(4, dtype=bool), zero, 0.1)),
            Factor((0, 1), np.zeros((4, 4))),
        ),
    )
    factors = condition(network)
    for options in ({}, {"merge": 1}):
        states = random_states(factors, 1000)
        states[1], states[2] = 1, 3
        sweeper = Sweeper(factors, **options)
        counts = np.zeros((12, 1000), dtype=np.uint32)
        sweeper.sweep(states, 1, 0, 2000, counts=counts)
        never = counts.sum(axis=1).reshape(3, 4) == 0
        np.testing.assert_array_equal(
            never, [[True, False, True, True], [True, False, False, True], [False] * 4]
        )


@pytest.mark.parametrize("options", [{}, {"merge": 1}], ids=["merged", "apart"])
@pytest.mark.parametrize("chains", [3, 200])
def test_an_impossible_state_is_an_error(options: dict, chains: int) -> None:
    """No state of one variable is possible given the others: c contradicts both a and b."""
    factors = condition(contradiction())
    states = np.zeros((3, chains), dtype=np.uint8)
    states[2] = 1
    states[:, 1:] = 0
    before = states.copy()
    with pytest.raises(SamplingError, match=r"No state of 'a' is possible .* in chain 70"):
        Sweeper(factors, **options).sweep(states, 1, 0, 5, first_chain=70)
    np.testing.assert_array_equal(states, before)


def contradiction() -> Network:
    same = np.where(np.eye(2, dtype=bool), 0.0, -np.inf)
    return Network(
        ("a", "b", "c"), ((0, 1),) * 3, (Factor((0, 1), same), Factor((0, 2), same)), "stuck"
    )


def test_single_sites_cannot_move_in_an_exclusive_or() -> None:
    factors = condition(xor())
    states = np.zeros((3, 64), dtype=np.uint8)
    Sweeper(factors).sweep(states, 1, 0, 100)
    assert not states.any()


def test_a_subset_leaves_the_others_alone() -> None:
    factors = condition(POSITIVE["loop"])
    sweeper = Sweeper(factors)
    for chains in (2, 100):
        start = random_states(factors, chains)
        states = start.copy()
        counts = np.zeros((int(sweeper.offsets[-1]), chains), dtype=np.uint32)
        sweeper.sweep(states, 1, 0, 30, subset=np.array([2, 0]), counts=counts)
        np.testing.assert_array_equal(states[[1, 3]], start[[1, 3]])
        assert (states[[0, 2]] != start[[0, 2]]).any()
        assert counts[sweeper.offsets[1] : sweeper.offsets[2]].sum() == 0
        assert counts.sum() == 2 * 30 * chains


def test_tables_can_be_replaced() -> None:
    factors = condition(POSITIVE["loop"])
    flat = Sweeper(factors, log_tables=[np.zeros_like(t) for t in factors.log_tables])
    states = random_states(factors, 4096)
    flat.sweep(states, 1, 0, 5)
    assert np.abs((states[2] == 1).mean() - 1 / 3) < 5 * np.sqrt(2 / 9 / 4096)
    with pytest.raises(OptionError, match="log_tables must have the shapes"):
        Sweeper(factors, log_tables=[np.zeros(2)])


def test_log_joint_is_that_of_the_factors() -> None:
    for network in [*NETWORKS, xor()]:
        factors = condition(network)
        states = np.stack([random_states(factors, 300, seed) for seed in range(3)])
        native = log_joint(factors, states)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(
                native, factors.log_joint(np.moveaxis(states, 1, 2)), rtol=1e-12, atol=1e-12
            )


def test_bad_arrays_are_refused() -> None:
    factors = condition(POSITIVE["loop"])
    sweeper = Sweeper(factors)
    with pytest.raises(OptionError, match=r"states must be a contiguous uint8 array"):
        sweeper.sweep(np.zeros((4, 10)), 1, 0, 1)
    with pytest.raises(OptionError, match="counts must be"):
        sweeper.sweep(random_states(factors, 10), 1, 0, 1, counts=np.zeros((9, 9), np.uint32))
    with pytest.raises(OptionError, match="draws must be"):
        sweeper.sweep(random_states(factors, 10), 1, 0, 4, draws=np.zeros((3, 4, 10), np.uint8))
    with pytest.raises(OptionError, match="at most 255 states"):
        Sweeper(condition(markov([300, 2], [(0, 1)], 1, "wide")))


def test_no_variable_no_chain_no_sweep() -> None:
    factors = condition(POSITIVE["unary"], {0: 1, 1: 0})
    Sweeper(factors).sweep(np.zeros((0, 5), dtype=np.uint8), 1, 0, 10)
    factors = condition(POSITIVE["unary"])
    Sweeper(factors).sweep(np.zeros((2, 0), dtype=np.uint8), 1, 0, 10)
    states = random_states(factors, 5)
    Sweeper(factors).sweep(states, 1, 0, 0)
    np.testing.assert_array_equal(states, random_states(factors, 5))
