"""Joint draws of blocks: against brute force, and native against numpy."""

import itertools

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.declare.network import Factor, Network
from probgen.errors import SamplingError
from probgen.inference.graphical.blocks.plan import BlockPlan, plan_blocks
from probgen.inference.graphical.blocks.sampler import BlockSampler
from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.native.library import source
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, bayesian, brute_force, markov
from tests.inference.graphical.block_networks import deterministic, moves_of, with_zeros

CHAINS = 20_000


def everything(factors: Factors) -> BlockPlan:
    return BlockPlan((tuple(range(len(factors.cards))),), True, "")


def pairs(factors: Factors) -> BlockPlan:
    """Overlapping pairs around a ring: most tables reach outside."""
    n = len(factors.cards)
    blocks = {tuple(sorted({v, (v + 1) % n})) for v in range(n)}
    return BlockPlan(tuple(sorted(blocks)), True, "")


def planned(factors: Factors) -> BlockPlan:
    """What Gibbs does: the plan's blocks, and all other variables one by one."""
    blocks = moves_of(factors, plan_blocks(factors).blocks)
    return BlockPlan(tuple(tuple(block) for block in blocks), True, "")


def drawn(factors, plan, sweeps, *, library=None, chains=CHAINS, seed=3) -> np.ndarray:
    """States after some sweeps from one and the same starting state."""
    states = np.repeat(starting_states(factors, 1, seed), chains, axis=1)
    sampler = BlockSampler(factors, plan, library)
    for sweep in range(sweeps):
        sampler.sweep(states, seed, sweep)
    return states


def check_joint(factors: Factors, states: np.ndarray) -> None:
    """Chains are independent: every joint state and marginal within 5 standard errors."""
    truth = brute_force(factors)
    chains = states.shape[1]
    joint = np.zeros(truth.joint.shape)
    np.add.at(joint, tuple(states.astype(np.int64)), 1 / chains)
    assert (joint[truth.joint == 0] == 0).all(), "drew an impossible state"
    sizes = range(joint.ndim)
    for kept in (sizes, *([v] for v in sizes), *itertools.combinations(sizes, 2)):
        others = tuple(v for v in sizes if v not in kept)
        share, exact = joint.sum(axis=others), truth.joint.sum(axis=others)
        error = np.sqrt(np.maximum(exact * (1 - exact), 0) / chains)
        assert (np.abs(share - exact) <= 5 * error + 3 / chains).all(), f"wrong over {kept}"


@pytest.mark.parametrize("name", AWKWARD)
def test_the_block_of_everything_draws_from_the_joint(name):
    factors = condition(AWKWARD[name])
    check_joint(factors, drawn(factors, everything(factors), 1))


@pytest.mark.parametrize("name", AWKWARD)
def test_planned_blocks_and_single_sites_reach_the_joint(name):
    factors = condition(AWKWARD[name])
    check_joint(factors, drawn(factors, planned(factors), 60))


@pytest.mark.parametrize("name", ["loop", "high_order", "cards", "grid", "complete", "star"])
def test_overlapping_pairs_reach_the_joint(name):
    factors = condition(AWKWARD[name])
    check_joint(factors, drawn(factors, pairs(factors), 60))


@pytest.mark.parametrize("seed", range(60))
def test_planned_blocks_on_random_networks_with_functions_and_evidence(seed):
    factors = deterministic(seed)
    check_joint(factors, drawn(factors, planned(factors), 40, chains=4000, seed=seed))


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_planned_blocks_on_random_networks_with_zeros(seed):
    factors = with_zeros(seed)
    check_joint(factors, drawn(factors, planned(factors), 40, chains=4000, seed=seed))


@pytest.mark.parametrize("evidence", [{0: 1}, {2: 0}, {0: 0, 2: 1}])
def test_xor_with_evidence(evidence):
    factors = condition(AWKWARD["xor"], evidence)
    check_joint(factors, drawn(factors, planned(factors), 5))


def test_single_sites_alone_are_wrong_on_xor():
    factors = condition(AWKWARD["xor"])
    single = BlockPlan(((0,), (1,), (2,)), False, "")
    with pytest.raises(AssertionError, match="wrong over"):
        check_joint(factors, drawn(factors, single, 60))


@pytest.mark.parametrize("plan_of", [everything, pairs, planned])
@pytest.mark.parametrize("name", ["cards", "functional", "grid", "one_state"])
def test_numpy_draws_what_native_code_draws(name, plan_of, monkeypatch):
    factors = condition(AWKWARD[name])
    plan = plan_of(factors)
    for chains in (1, 2, 3, 16, 37):
        native = BlockSampler(factors, plan)
        assert native.engine == "native"
        with monkeypatch.context() as patch:
            patch.setenv("PROBGEN_CXX", "none")
            patch.setattr(
                "probgen.inference.graphical.blocks.sampler.open_library",
                lambda entry: build(source(entry)),
            )
            numpy = BlockSampler(factors, plan)
        assert numpy.engine == "numpy"
        one = starting_states(factors, chains, 1)
        other = one.copy()
        for sweep in range(20):
            native.sweep(one, 11, sweep)
            numpy.sweep(other, 11, sweep)
        np.testing.assert_array_equal(one, other)


def test_draws_do_not_depend_on_threads_or_on_how_chains_are_cut():
    factors = condition(AWKWARD["grid"])
    sampler = BlockSampler(factors, pairs(factors))
    start = starting_states(factors, 101, 5)
    whole, threaded = start.copy(), start.copy()
    sampler.sweep(whole, 2**64 - 1, 3)
    sampler.sweep(threaded, 2**64 - 1, 3, threads=3)
    np.testing.assert_array_equal(whole, threaded)
    for begin, end in ((0, 1), (1, 40), (40, 101)):
        part = np.ascontiguousarray(start[:, begin:end])
        sampler.sweep(part, 2**64 - 1, 3, first_chain=begin)
        np.testing.assert_array_equal(whole[:, begin:end], part)
    for begin, end in ((0, 1), (1, 40), (40, 101)):
        sampler.sweep(start[:, begin:end], 2**64 - 1, 3, first_chain=begin)
    np.testing.assert_array_equal(whole, start)


def test_states_of_another_type_or_layout_are_refused():
    factors = condition(AWKWARD["grid"])
    sampler = BlockSampler(factors, pairs(factors))
    states = starting_states(factors, 4, 5)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        sampler.sweep(states.astype(np.int64), 1, 0)
    with pytest.raises(ValueError, match="side by side"):
        sampler.sweep(np.asfortranarray(states), 1, 0)


def test_sweeps_and_keys_give_other_draws():
    factors = condition(AWKWARD["cards"])
    sampler = BlockSampler(factors, everything(factors))
    draws = []
    for key, sweep in ((1, 0), (1, 1), (2, 0)):
        states = starting_states(factors, 64, 1)
        sampler.sweep(states, key, sweep)
        draws.append(states)
    assert (draws[0] != draws[1]).any()
    assert (draws[0] != draws[2]).any()


def test_more_than_256_states():
    network = bayesian([300, 3, 300], [(), (0,), (0, 1)], 4, "many", deterministic=(2,))
    factors = condition(network)
    states = drawn(factors, planned(factors), 1, chains=2000)
    assert states.dtype == np.uint16
    assert states.max() > 255
    assert np.isfinite(factors.log_joint(states.T.astype(np.int64))).all()


def test_weights_beyond_the_range_of_numbers_are_not_zeros():
    """Three factors that disagree by e^-700 each: every product underflows, the log does not."""
    logs = [np.array([0.0, -700.0, -701.0]), np.array([-700.0, 0.0, -699.0])]
    steep = [Factor((0, 1), np.add.outer(log, np.array([0.0, 0.5]))) for log in (*logs, logs[0])]
    factors = condition(Network(("x", "y"), ((0, 1, 2), (0, 1)), tuple(steep)))
    for plan in (BlockPlan(((0,),), False, ""), everything(factors)):
        states = np.zeros((2, CHAINS), dtype=np.uint8)
        BlockSampler(factors, plan).sweep(states, 1, 0)
        logs_x = factors.log_joint(np.array([[0, 0], [1, 0], [2, 0]]))
        exact = np.exp(logs_x - logs_x.max()) / np.exp(logs_x - logs_x.max()).sum()
        share = np.bincount(states[0], minlength=3) / CHAINS
        assert np.abs(share - exact).max() < 5 * 0.5 / np.sqrt(CHAINS)


@pytest.mark.parametrize("depth", [700.0, 725.0, 738.0, 740.0, 744.0])
def test_weights_at_the_end_of_the_range_of_numbers_are_drawn_right(depth):
    """Two outer factors, each against one state of x0: their product is all but zero."""
    tie = Factor((0, 1), np.log([[0.7, 0.3], [0.2, 0.8]]))
    one = Factor((0, 2), np.array([[0.0, 0.0], [-depth, -depth]]))
    other = Factor((0, 3), np.array([[-depth, -depth], [0.0, 0.0]]))
    network = Network(tuple("abcd"), ((0, 1),) * 4, (tie, one, other))
    states = np.zeros((4, CHAINS), dtype=np.uint8)
    BlockSampler(condition(network), BlockPlan(((0, 1),), True, "")).sweep(states, 1, 0)
    share = np.array([np.mean(states[0] * 2 + states[1] == k) for k in range(4)])
    exact = np.array([0.7, 0.3, 0.2, 0.8]) / 2
    assert (np.abs(share - exact) < 5 * np.sqrt(exact / CHAINS)).all()


def test_a_chain_at_an_impossible_state_is_an_error():
    """b = 1 is impossible whatever a is, so there is no conditional to draw a from."""
    never = Factor((0, 1), np.array([[0.0, -np.inf], [0.0, -np.inf]]))
    factors = condition(Network(("a", "b"), ((0, 1),) * 2, (never,)))
    sampler = BlockSampler(factors, BlockPlan(((0,),), False, ""))
    states = np.zeros((2, 5), dtype=np.uint8)
    sampler.sweep(states, 1, 0)
    states[1, 3] = 1
    with pytest.raises(SamplingError, match="probability zero"):
        sampler.sweep(states, 1, 1)


def test_no_blocks_and_no_chains_change_nothing():
    factors = condition(AWKWARD["grid"])
    states = starting_states(factors, 3, 1)
    before = states.copy()
    BlockSampler(factors, BlockPlan((), True, "")).sweep(states, 1, 0)
    np.testing.assert_array_equal(states, before)
    BlockSampler(factors, everything(factors)).sweep(states[:, :0], 1, 0)


def test_everything_observed_is_no_block():
    factors = condition(AWKWARD["xor"], {0: 1, 1: 1, 2: 0})
    assert drawn(factors, planned(factors), 2).shape == (0, CHAINS)


MUTATIONS = {
    "the message is not summed": ("            sum += value;", "            sum.raise_to(value);"),
    "a factor that reaches outside is left out": (
        "for (int l = 0; l < LANES; ++l) out[e * LANES + l] = table[offset[l] + e];",
        "for (int l = 0; l < LANES; ++l) out[e * LANES + l] = 1;",
    ),
    "drawn without what other buckets say": (
        "value[l] *= factor[(int64_t)entry[offset[l]] * LANES + l];",
        "value[l] *= 1;",
    ),
    "drawn without what all chains share": (
        "value[l] = shared ? shared[offset[l] + k] : 1.0;",
        "value[l] = 1.0;",
    ),
    "later states are preferred": (
        "state[l] += target[l] >= sum[l];",
        "state[l] += 1.2 * target[l] >= sum[l];",
    ),
    "all variables of a sweep use one random number": (
        "(uint64_t)(block * p.variables + buckets[i].variable)",
        "(uint64_t)0",
    ),
    "states outside are read from the wrong row": (
        "const State* row = lanes.row(terms[2 * t]);",
        "const State* row = lanes.row((terms[2 * t] + 1) % p_variables);",
    ),
}


QUICK = ("a factor that reaches outside is left out", "drawn without what other buckets say")


@pytest.mark.parametrize(
    "mutation",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MUTATIONS],
)
def test_broken_draws_are_noticed(mutation):
    old, new = MUTATIONS[mutation]
    text = source("block_sweep.cpp")
    assert text.count(old) == 1, "the mutation no longer fits the source"
    network = markov([3, 2, 3, 2], [(0, 1), (1, 2), (2, 3), (0, 3), (1,)], 21, "mutated")
    factors = condition(network)
    plan = BlockPlan(((0, 1, 2), (1, 2, 3), (3, 0)), True, "")
    check_joint(factors, drawn(factors, plan, 20, library=build(text)))
    broken = build(text.replace(old, new.replace("p_variables", "4")))
    with pytest.raises(AssertionError, match=r"wrong|impossible"):
        check_joint(factors, drawn(factors, plan, 20, library=broken))
