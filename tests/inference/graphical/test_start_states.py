"""Starting states are possible, far apart, and found or refused with reasons."""

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.declare.networks.bundled import load_bundled
from probgen.declare.networks.uai import read_uai, read_uai_evidence
from probgen.errors import EvidenceError, InitialisationError, ModelError
from probgen.inference.graphical.blocks import search, start
from probgen.inference.graphical.blocks.start import starting_states
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD
from tests.inference.graphical.block_networks import deterministic, possible_states, with_zeros
from tests.reference_data import reference_data


def check_possible(factors: Factors, states: np.ndarray, distinct: int = 2) -> None:
    assert states.shape[0] == len(factors.cards)
    assert np.isfinite(factors.log_joint(states.T.astype(np.int64))).all()
    assert len(np.unique(states, axis=1).T) >= distinct


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_networks(name):
    factors = condition(AWKWARD[name])
    states = starting_states(factors, 40, 1)
    assert states.dtype == np.uint8
    check_possible(factors, states)


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_start_everywhere_in_small_supports(seed):
    for factors in (with_zeros(seed), deterministic(seed)):
        check_possible(factors, starting_states(factors, 30, seed), 1)


@pytest.fixture
def only_search(monkeypatch):
    """As for networks too wide to draw starting states exactly."""
    monkeypatch.setattr(start, "MOST_ENTRIES", 0.5)


@pytest.mark.parametrize("seed", range(60))
def test_search_finds_possible_states(seed, only_search):
    for factors in (with_zeros(seed), deterministic(seed)):
        many = len(possible_states(factors)) > 20
        check_possible(factors, starting_states(factors, 12, seed), 2 if many else 1)


def test_search_backtracks(only_search):
    """Sudoku-like: a random completion of a Latin square is rarely possible."""
    n = 5
    with np.errstate(divide="ignore"):
        differ = np.log(1.0 - np.eye(n))
    cells = [(r, c) for r in range(n) for c in range(n)]
    factors = tuple(
        Factor((i, j), differ)
        for i, (r, c) in enumerate(cells)
        for j, (s, d) in enumerate(cells[:i])
        if r == s or c == d
    )
    factors = condition(Network(tuple(cells), (tuple(range(n)),) * n**2, factors, "latin"))
    check_possible(factors, starting_states(factors, 10, 1), 5)


def test_same_seed_same_states_and_other_seed_others():
    factors = condition(AWKWARD["cards"])
    one, same, other = (starting_states(factors, 50, seed) for seed in (-3, -3, 3))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_everything_observed_and_no_chains():
    factors = condition(AWKWARD["xor"], {0: 1, 1: 1, 2: 0})
    assert starting_states(factors, 3, 1).shape == (0, 3)
    assert starting_states(condition(AWKWARD["xor"]), 0, 1).shape == (3, 0)


def pigeons(holes: int) -> Factors:
    """One more variable than states, all different: impossible, and propagation cannot see it."""
    with np.errstate(divide="ignore"):
        differ = np.log(1.0 - np.eye(holes))
    n = holes + 1
    factors = tuple(Factor((i, j), differ) for i in range(n) for j in range(i))
    names = tuple(f"pigeon{i}" for i in range(n))
    return condition(Network(names, (tuple(range(holes)),) * n, factors, "pigeons"))


def test_nothing_possible_is_an_error():
    with pytest.raises(ModelError, match="probability zero"):
        starting_states(pigeons(3), 4, 1)


def test_nothing_found_is_an_error_with_the_cure(only_search, monkeypatch):
    monkeypatch.setattr(search, "LAST_BUDGET", 100)
    with pytest.raises(InitialisationError, match=r"'pigeon0'.*Use exact inference"):
        starting_states(pigeons(8), 4, 1)


def test_impossible_evidence_names_itself():
    network = AWKWARD["xor"]
    fourth = Factor((2,), np.array([-np.inf, 0.0]))
    never = Network(network.names, network.states, (*network.factors, fourth))
    with pytest.raises(EvidenceError, match=r"a=yes, b=yes has probability zero"):
        starting_states(condition(never, {0: 1, 1: 1}), 4, 1)


def test_impossible_evidence_in_a_wide_network_names_the_factor(monkeypatch):
    from probgen.inference.graphical.blocks import support

    monkeypatch.setattr(support, "MOST_ENTRIES", 0)
    network = AWKWARD["xor"]
    fourth = Factor((2,), np.array([-np.inf, 0.0]))
    never = Network(network.names, network.states, (*network.factors, fourth))
    with pytest.raises(EvidenceError, match="no state of 'c' is left"):
        starting_states(condition(never, {0: 1, 1: 1}), 4, 1)


@pytest.mark.parametrize(
    "name", ["asia", "alarm", "insurance", "hailfinder", "win95pts", "andes", "pigs", "link"]
)
def test_bundled_networks(name):
    factors = condition(load_bundled(name))
    check_possible(factors, starting_states(factors, 16, 1), 12 if len(factors.cards) > 8 else 4)


@pytest.mark.parametrize(
    "name", ["CSP_11", "Pedigree_12", "Promedus_13", "Promedus_38", "linkage_14", "linkage_27"]
)
def test_uai_instances_with_evidence(name):
    path = reference_data("uai", f"{name}.uai")
    factors = condition(read_uai(path), read_uai_evidence(path.with_suffix(".uai.evid")))
    check_possible(factors, starting_states(factors, 8, 1), 8)
