"""Gibbs with planned blocks on known networks with zeros, against exact elimination."""

import numpy as np
import pytest

from probgen.declare.networks.bundled import load_bundled
from probgen.declare.networks.uai import read_uai, read_uai_evidence
from probgen.inference.graphical.blocks.plan import BlockPlan, plan_blocks, single_site_is_safe
from probgen.inference.graphical.blocks.sampler import BlockSampler
from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.block_networks import moves_of
from tests.reference_data import reference_data

CHAINS = 256


def some_evidence(network, seed: int) -> dict[int, int]:
    """A few childless variables at states that occur together."""
    state = starting_states(condition(network), 1, seed)[:, 0]
    parents = {v for f in network.factors for v in f.scope if v != f.child}
    leaves = [v for v in range(len(network.names)) if v not in parents]
    chosen = np.random.default_rng(seed).choice(leaves, min(4, len(leaves)), replace=False)
    return {int(v): int(state[v]) for v in chosen}


def run(factors: Factors, blocks, warmup: int, sweeps: int, states: np.ndarray) -> np.ndarray:
    """Share of sweeps that each chain spent in each state of each variable, (chain, state)."""
    moves = tuple(tuple(move) for move in moves_of(factors, blocks))
    sampler = BlockSampler(factors, BlockPlan(moves, True, ""))
    shares = [np.zeros((states.shape[1], card)) for card in factors.cards]
    for sweep in range(warmup + sweeps):
        sampler.sweep(states, 7, sweep)
        for v, share in enumerate(shares if sweep >= warmup else ()):
            share[np.arange(states.shape[1]), states[v]] += 1 / sweeps
    return np.concatenate(shares, axis=1)


def check_marginals(factors: Factors, shares: np.ndarray, sweeps: int) -> None:
    """Every probability within 5 standard errors, from the spread of the chains' shares."""
    exact = calibrate(factors).marginals().probabilities
    floor = np.maximum(exact * (1 - exact), 0) / sweeps
    error = np.sqrt((shares.var(axis=0) + floor) / len(shares))
    off = np.abs(shares.mean(axis=0) - exact) - 5 * error - 1e-9
    assert (off <= 1e-4).all(), f"off by {off.max():.4f} more than 5 standard errors"


def split_r_hat(shares: np.ndarray, sweeps: int) -> np.ndarray:
    """R-hat of the states' indicators from what each chain's share of sweeps was."""
    within = (shares * (1 - shares)).mean(axis=0)
    between = shares.var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(1 + between / within)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(
    "name", ["asia", "alarm", "child", "insurance", "hailfinder", "win95pts", "andes", "pigs"]
)
def test_marginals_from_one_starting_state(name, seed):
    """All chains start together, so that what they find they have reached themselves."""
    network = load_bundled(name)
    factors = condition(network, {} if seed is None else some_evidence(network, seed))
    plan = plan_blocks(factors)
    assert plan.irreducible
    states = np.repeat(starting_states(factors, 1, 5), CHAINS, axis=1)
    shares = run(factors, plan.blocks, 60, 60, states)
    check_marginals(factors, shares, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Pedigree_12", "Promedus_13", "Promedus_30"])
def test_instances_with_evidence(name):
    path = reference_data("uai", f"{name}.uai")
    factors = condition(read_uai(path), read_uai_evidence(path.with_suffix(".uai.evid")))
    plan = plan_blocks(factors)
    shares = run(factors, plan.blocks, 1000, 300, starting_states(factors, 64, 5))
    check_marginals(factors, shares, 300)


@pytest.mark.parametrize("name", ["asia", "win95pts", "hailfinder"])
def test_single_sites_are_wrong_and_r_hat_shows_it(name):
    factors = condition(load_bundled(name))
    assert not single_site_is_safe(factors)
    start = starting_states(factors, 64, 5)
    single = run(factors, (), 100, 200, start.copy())
    with pytest.raises(AssertionError, match="off by"):
        check_marginals(factors, run(factors, (), 100, 200, np.repeat(start[:, :1], 64, 1)), 200)
    assert np.nanmax(split_r_hat(single, 200)) > 1.2
    blocks = plan_blocks(factors).blocks
    assert np.nanmax(split_r_hat(run(factors, blocks, 100, 200, start), 200)) < 1.1
