"""Markov chains: long-run laws, mixing, classes, hitting times, simulation, estimation."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from probgen.declare.networks.transition import TransitionModel
from probgen.errors import DataError, OptionError, TooLargeError
from probgen.inference.markov import chains as markov_chains
from probgen.inference.markov.chains import mixing_time, spectral_gap, stationary
from probgen.inference.markov.classes import (
    absorbing_states,
    absorption_probabilities,
    classes,
    hitting_times,
    period,
)
from probgen.inference.markov.estimation import estimate
from probgen.inference.markov.simulation import simulate


def random_chain(k, seed, states=None):
    rng = np.random.default_rng(seed)
    return TransitionModel(rng.dirichlet(np.full(k, 0.5), k), states)


def cycle(k, lazy=0.0):
    """Walk around a ring, both ways alike."""
    matrix = (1 - lazy) / 2 * (np.roll(np.eye(k), 1, axis=1) + np.roll(np.eye(k), -1, axis=1))
    return TransitionModel(matrix + lazy * np.eye(k))


def gambler(n=4, up=0.5):
    """The fortune of a gambler who stops at 0 and n."""
    matrix = np.zeros((n + 1, n + 1))
    matrix[0, 0] = matrix[n, n] = 1
    for i in range(1, n):
        matrix[i, i + 1], matrix[i, i - 1] = up, 1 - up
    return TransitionModel(matrix, title="gambler")


BLOCKS = TransitionModel(
    [
        [0.2, 0.8, 0, 0, 0, 0],
        [0.6, 0.4, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0.1, 0, 0.3, 0, 0.5, 0.1],
        [0, 0, 0, 0, 1, 0],
    ],
    tuple("abcdef"),
)


@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_stationary_law_of_an_irreducible_chain(k):
    model = random_chain(k, k)
    (law,) = stationary(model)
    values, vectors = np.linalg.eig(model.dense.T)
    expected = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    np.testing.assert_allclose(law.probabilities, expected / expected.sum(), atol=1e-12)
    assert law.states == model.names


def test_stationary_law_keeps_relative_precision_of_rare_states():
    """A birth-death chain whose law spans 60 orders of magnitude."""
    n, up = 30, 0.01
    matrix = np.zeros((n, n))
    for i in range(n):
        matrix[i, min(i + 1, n - 1)] += up
        matrix[i, max(i - 1, 0)] += 1 - up
    law = stationary(TransitionModel(matrix))[0].probabilities
    ratio = up / (1 - up)
    expected = ratio ** np.arange(n)
    np.testing.assert_allclose(law, expected / expected.sum(), rtol=1e-10)


def test_stationary_laws_of_a_reducible_chain():
    first, second = stationary(BLOCKS)
    assert first.states == ("a", "b")
    np.testing.assert_allclose(first.probabilities, [3 / 7, 4 / 7, 0, 0, 0, 0])
    assert second.states == ("c", "d")
    np.testing.assert_allclose(second.probabilities, [0, 0, 0.5, 0.5, 0, 0])
    assert (first.period, second.period) == (1, 2)


def test_large_sparse_chain():
    n = 3000
    steps = sparse.diags_array(
        [np.full(n - 1, 0.34), np.full(n, 0.3), np.full(n - 1, 0.36)], offsets=[-1, 0, 1]
    ).tolil()
    steps[0, 0], steps[n - 1, n - 1] = 0.64, 0.66
    started = time.process_time()
    model = TransitionModel(steps.tocsr())
    law = stationary(model)[0].probabilities
    gap = spectral_gap(model)
    times = hitting_times(model, n - 1)
    assert time.process_time() - started < 5
    np.testing.assert_allclose(law[1:] / law[:-1], 36 / 34, rtol=1e-8)
    assert gap.reversible
    # the eigenvalues of a birth-death chain with constant rates: 0.3 + 2 sqrt(pq) cos
    second = 0.3 + 2 * np.sqrt(0.34 * 0.36) * np.cos(np.pi / n)
    assert gap.absolute == pytest.approx(1 - second, rel=1e-6)
    assert times[0] == pytest.approx(((n - 1) - 17) / 0.02, rel=1e-3)
    assert times[n - 1] == 0


def test_eigenvalues_that_cannot_be_separated(monkeypatch):
    monkeypatch.setattr(markov_chains, "_DENSE", 10)
    n = 400
    forward = sparse.diags_array([np.full(n, 0.5), np.full(n - 1, 0.5)], offsets=[0, 1]).tolil()
    forward[n - 1, 0] = 0.5
    with pytest.raises(TooLargeError, match="too close together"):
        spectral_gap(TransitionModel(forward.tocsr()))
    model = random_chain(60, 1)
    monkeypatch.undo()
    expected = spectral_gap(model).absolute
    monkeypatch.setattr(markov_chains, "_DENSE", 10)
    assert spectral_gap(model).absolute == pytest.approx(expected)


@pytest.mark.parametrize("k", [4, 2000])
def test_gap_of_a_lazy_ring(k):
    gap = spectral_gap(cycle(k, lazy=0.5) if k < 100 else sparse_ring(k))
    expected = (1 - np.cos(2 * np.pi / k)) / 2
    assert gap.reversible
    assert gap.absolute == pytest.approx(expected, rel=1e-5)
    assert gap.relaxation_time == pytest.approx(1 / expected, rel=1e-5)
    assert "Levin & Peres" in gap.definition


def sparse_ring(k):
    ring = sparse.diags_array(
        [np.full(k - 1, 0.25), np.full(k, 0.5), np.full(k - 1, 0.25)], offsets=[-1, 0, 1]
    ).tolil()
    ring[0, k - 1] = ring[k - 1, 0] = 0.25
    return TransitionModel(ring.tocsr())


def test_gap_of_a_chain_that_is_not_reversible():
    forward = TransitionModel(0.5 * np.eye(3) + 0.5 * np.roll(np.eye(3), 1, axis=1))
    gap = spectral_gap(forward)
    assert not gap.reversible
    assert gap.absolute == pytest.approx(1 - abs(0.5 + 0.5 * np.exp(2j * np.pi / 3)))
    assert "non-reversible" in gap.definition


def test_gap_is_zero_without_convergence():
    for model in (cycle(4), BLOCKS, gambler()):
        gap = spectral_gap(model)
        assert gap.absolute == 0
        assert gap.relaxation_time == np.inf
    assert spectral_gap(TransitionModel([[1.0]])).absolute == 1


@pytest.mark.parametrize("epsilon", [0.25, 0.01, 1e-6])
@pytest.mark.parametrize("model", [random_chain(5, 1), cycle(9, 0.2), cycle(9)], ids="abc")
def test_mixing_time_against_step_by_step(model, epsilon):
    law = stationary(model)[0].probabilities
    power, t = np.eye(model.size), 0
    while np.abs(power - law).sum(axis=1).max() / 2 > epsilon:
        power, t = power @ model.dense, t + 1
    assert mixing_time(model, epsilon).steps == t


def test_mixing_time_within_the_bounds_of_the_relaxation_time():
    """Levin & Peres, theorems 12.4 and 12.5."""
    model = cycle(21, 0.5)
    relaxation = spectral_gap(model).relaxation_time
    steps = mixing_time(model, 0.1).steps
    assert (relaxation - 1) * np.log(1 / 0.2) <= steps <= relaxation * np.log(21 / 0.1) + 1


def test_mixing_time_of_chains_that_never_mix_says_why():
    assert mixing_time(cycle(4)).steps is None
    assert "period 2" in mixing_time(cycle(4)).reason
    assert "2 closed classes" in mixing_time(BLOCKS).reason
    frozen = TransitionModel([[1 - 1e-16, 1e-16], [1e-16, 1 - 1e-16]])
    assert mixing_time(frozen).steps is None


def test_transient_states_do_not_stop_mixing():
    model = TransitionModel([[0.5, 0.5, 0], [0, 0.3, 0.7], [0, 0.6, 0.4]])
    assert mixing_time(model, 0.01).steps is not None
    assert mixing_time(TransitionModel([[1.0]])).steps == 0


def test_mixing_time_options(monkeypatch):
    with pytest.raises(OptionError, match="between 0 and 1"):
        mixing_time(cycle(3), 0.0)
    monkeypatch.setattr(markov_chains, "_MIXING_BYTES", 1.0)
    with pytest.raises(TooLargeError, match="spectral_gap"):
        mixing_time(cycle(3))


def test_classes_and_periods():
    found = classes(BLOCKS)
    assert [(c.states, c.closed, c.period) for c in found] == [
        (("a", "b"), True, 1),
        (("c", "d"), True, 2),
        (("e", "f"), False, 1),
    ]
    assert period(BLOCKS) == 2
    assert period(cycle(4)) == 2
    assert period(cycle(5)) == 1
    assert period(TransitionModel(np.roll(np.eye(6), 1, axis=1))) == 6
    assert absorbing_states(gambler()) == (0, 4)
    assert absorbing_states(BLOCKS) == ()
    passing = TransitionModel([[0.0, 1.0], [0.0, 1.0]])
    assert classes(passing)[0].period == 0
    assert "transient" in repr(classes(passing)[0])


@pytest.mark.parametrize("up", [0.5, 0.4])
def test_gamblers_ruin(up):
    n = 6
    model = gambler(n, up)
    ratio = (1 - up) / up
    i = np.arange(n + 1)
    win = i / n if up == 0.5 else (1 - ratio**i) / (1 - ratio**n)
    np.testing.assert_allclose(absorption_probabilities(model)[:, 1], win, atol=1e-12)
    length = i * (n - i) if up == 0.5 else i / (1 - 2 * up) - n / (1 - 2 * up) * win
    np.testing.assert_allclose(hitting_times(model, [0, n]), length, atol=1e-9)
    np.testing.assert_array_equal(hitting_times(model, 0)[1:], np.inf)
    assert hitting_times(model, 0)[0] == 0


def test_hitting_times_around_a_ring():
    k = np.arange(10)
    np.testing.assert_allclose(hitting_times(cycle(10), 0), k * (10 - k), atol=1e-9)
    with pytest.raises(DataError, match="no state 99"):
        hitting_times(cycle(10), 99)
    with pytest.raises(DataError, match="at least one target"):
        hitting_times(cycle(10), [])


def test_absorption_from_a_class_with_two_ways_out():
    chances = absorption_probabilities(BLOCKS)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(chances[4], [0.25, 0.75])


@pytest.mark.parametrize("chains", [4, 64])
def test_simulated_transitions_have_the_right_frequencies(chains):
    model = random_chain(5, 3, tuple("abcde"))
    steps = 400_000 // chains
    tree = simulate(model, steps, chains, seed=1)
    states = tree["posterior"]["state"]
    assert states.dims == ("chain", "draw")
    assert states.shape == (chains, steps)
    assert states.attrs["states"] == list("abcde")
    check_frequencies(states.values, model.dense)
    wrong = model.dense.copy()
    wrong[0] = np.roll(wrong[0], 1)
    with pytest.raises(AssertionError):
        check_frequencies(states.values, wrong)


def check_frequencies(paths, matrix):
    """Every transition's frequency within 5 standard errors."""
    k = len(matrix)
    counts = np.bincount((paths[:, :-1] * k + paths[:, 1:]).ravel(), minlength=k * k)
    counts = counts.reshape(k, k)
    totals = counts.sum(axis=1, keepdims=True)
    errors = np.sqrt(matrix * (1 - matrix) / totals)
    assert (np.abs(counts / totals - matrix) <= 5 * errors + 1e-12).all()


def test_both_ways_of_walking_are_the_same_and_chains_keep_their_paths():
    model = random_chain(200, 4)
    few = simulate(model, 300, 3, seed=7)["posterior"]["state"].values
    many = simulate(model, 300, 40, seed=7)["posterior"]["state"].values
    np.testing.assert_array_equal(few, many[:3])
    assert few.dtype == np.int16
    assert not np.array_equal(many[0], many[1])
    again = simulate(model, 300, 3, seed=8)["posterior"]["state"].values
    assert not np.array_equal(few, again)
    simulate(model, 2, 1, seed=-(10**40))


def test_impossible_transitions_are_never_taken():
    n = 2000
    paths = simulate(sparse_ring(n), 500, 100, seed=0, start=0)["posterior"]["state"].values
    apart = (paths[:, 1:].astype(int) - paths[:, :-1]) % n
    assert set(np.unique(apart)) == {0, 1, n - 1}


def test_starts():
    model = TransitionModel([[0.5, 0.5], [0.5, 0.5]], ("a", "b"), [1.0, 0.0])

    def firsts(**options):
        tree = simulate(model, 1, 400, seed=2, **options)
        return tree["posterior"]["state"].values[:, 0]

    assert (firsts() == 0).all()
    assert (firsts(start="b") == 1).all()
    assert abs(firsts(start=[0.5, 0.5]).mean() - 0.5) < 5 * 0.5 / 20
    assert (firsts(start={"b": 1.0}) == 1).all()
    with pytest.raises(DataError, match="2 stationary laws and no initial one"):
        simulate(gambler(), 10)
    with pytest.raises(DataError, match="no state 'c'"):
        simulate(model, 10, start="c")
    with pytest.raises(OptionError, match="steps=0"):
        simulate(model, 0)


def test_estimate_recovers_a_chain_within_its_standard_errors():
    model = random_chain(4, 9, tuple("abcd"))
    found = estimate(simulate(model, 5000, 8, seed=3))
    assert found.states == tuple("abcd")
    z = (found.model.dense - model.dense) / found.standard_errors
    assert np.abs(z).max() < 5
    assert np.sqrt((z**2).mean()) > 0.4
    assert found.counts.sum() == 8 * 4999


def test_estimate_by_hand_from_ragged_sequences_and_frames():
    sequences = [["a", "b", "a"], ["b"], ["a", "a", None, "b", "a"]]
    found = estimate(sequences)
    np.testing.assert_array_equal(found.counts.toarray(), [[1, 1], [2, 0]])
    np.testing.assert_array_equal(found.first_counts, [2, 1])
    np.testing.assert_allclose(found.model.dense, [[0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(found.model.initial, [2 / 3, 1 / 3])
    assert found.log_likelihood == pytest.approx(2 * np.log(0.5))
    frame = pd.DataFrame({n: pd.Series(s) for n, s in enumerate(sequences)})
    np.testing.assert_array_equal(estimate(frame).counts.toarray(), found.counts.toarray())
    np.testing.assert_array_equal(estimate("abaab").counts.toarray(), [[1, 2], [1, 0]])
    np.testing.assert_array_equal(
        estimate(["aba", "ab"], states="ab").counts.toarray(), [[0, 2], [1, 0]]
    )
    grid = np.array([[0, 1, 1], [1, 1, 0]])
    np.testing.assert_array_equal(estimate(grid).counts.toarray(), [[0, 1], [1, 2]])


def test_tuples_can_be_states():
    path = [(0, 1), (1, 1), (0, 1)]
    found = estimate(path, states=[(0, 1), (1, 1)])
    np.testing.assert_array_equal(found.counts.toarray(), [[0, 1], [1, 0]])


def test_estimate_with_a_prior_is_the_dirichlet_posterior():
    found = estimate([0, 0, 1, 0, 1, 1, 1], states=(0, 1, 2), prior=0.5)
    alpha = np.array([[1.5, 2.5, 0.5], [1.5, 2.5, 0.5], [0.5, 0.5, 0.5]])
    mean = alpha / alpha.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.model.dense, mean)
    deviation = np.sqrt(mean * (1 - mean) / (alpha.sum(axis=1, keepdims=True) + 1))
    np.testing.assert_allclose(found.standard_errors, deviation)
    draws = found.posterior(draws=4000, chains=2, seed=5)["posterior"]["transition"]
    assert draws.dims == ("chain", "draw", "from", "to")
    assert list(draws["from"].values) == ["0", "1", "2"]
    values = draws.values.reshape(-1, 3, 3)
    np.testing.assert_allclose(values.sum(axis=-1), 1)
    assert (np.abs(values.mean(axis=0) - mean) < 5 * deviation / np.sqrt(8000)).all()


def test_data_that_say_too_little_are_errors():
    with pytest.raises(DataError, match=r"'b' is never followed by another.*prior"):
        estimate(["a", "a", "b"])
    with pytest.raises(DataError, match="Sequence 1 holds 'z'"):
        estimate([["a", "a"], ["a", "z"]], states=["a", "b"])
    with pytest.raises(DataError, match="no states at all"):
        estimate([None, float("nan")])
    with pytest.raises(DataError, match="nothing to count"):
        estimate(["a"], prior=1.0)
    with pytest.raises(OptionError, match="not negative"):
        estimate([0, 1, 0], prior=-1.0)
    with pytest.raises(OptionError, match="need a prior"):
        estimate([0, 1, 0]).posterior()


def test_a_million_observed_transitions_are_counted_quickly():
    model = random_chain(50, 2)
    tree = simulate(model, 10_000, 100, seed=1)
    started = time.process_time()
    estimate(tree)
    assert time.process_time() - started < 5
