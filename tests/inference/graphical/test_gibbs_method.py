"""Gibbs as a method: right answers with honest errors, and what it says where it has none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from probgen.errors import OptionError
from probgen.inference.graphical import gibbs
from probgen.inference.graphical.gibbs import Gibbs, ReducibleWarning
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, POSITIVE, brute_force, markov, xor
from tests.inference.graphical.sweep_checks import uniform_grid


def infer(factors: Factors, method: Gibbs | None = None, **settings) -> GraphResult:
    plan = {"chains": 64, "draws": 400, "warmup": 100, "seed": 1, **settings}
    return (method or Gibbs()).run(factors, GraphPlan(**plan))


def scores(factors: Factors, result: GraphResult) -> np.ndarray:
    exact = np.concatenate(brute_force(factors).marginals)
    found, errors = result.marginals.probabilities, result.marginals.errors
    assert errors is not None
    never = (exact < 1e-12) | (exact > 1 - 1e-12)
    np.testing.assert_array_equal(found[never], np.round(exact[never]))
    return (found - exact)[~never] / errors[~never]


@pytest.mark.parametrize("device", ["cpu", "torch"])
@pytest.mark.parametrize("chains", [64, 3])
def test_every_network(device: str, chains: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each within five of its own standard errors, which are as large as the errors made."""
    if device == "torch":
        monkeypatch.setenv("PROBGEN_CXX", "none")
        forget_libraries(monkeypatch)
    draws = 6000 if chains == 3 else 400
    if device == "torch":
        draws //= 10 if chains == 3 else 4
    every = []
    for network in POSITIVE.values():
        factors = condition(network)
        result = infer(factors, chains=chains, draws=draws)
        assert result.summary["engine"] == ("native" if device == "cpu" else "torch")
        every.append(scores(factors, result))
    joined = np.concatenate(every)
    assert np.abs(joined).max() < 5
    assert 0.75 < np.sqrt(np.mean(joined**2)) < 1.3


def forget_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    from probgen.inference.graphical.native import library

    monkeypatch.setattr(library, "open_library", library.open_library.__wrapped__)
    monkeypatch.setattr(
        "probgen.inference.graphical.sweeps.native.open_library", library.open_library
    )


@pytest.mark.parametrize("name", sorted(set(AWKWARD) - set(POSITIVE)))
def test_deterministic_networks_are_right_by_blocks(name: str) -> None:
    factors = condition(AWKWARD[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReducibleWarning)
        result = infer(factors, draws=300)
    assert np.abs(scores(factors, result)).max() < 5
    assert result.summary["irreducible"]
    assert "jointly" in result.summary["notes"][0]


def test_single_sites_on_an_exclusive_or_are_told_to_be_stuck() -> None:
    factors = condition(xor())
    with pytest.warns(ReducibleWarning, match="use blocks='auto'"):
        result = infer(factors, Gibbs(blocks="none"))
    assert not result.summary["irreducible"]
    assert result.marginals.r_hat is not None
    assert np.isinf(result.marginals.r_hat).all()


def test_draws_and_log_joint() -> None:
    factors = condition(uniform_grid(3, 3))
    result = infer(factors, chains=5, draws=30)
    assert result.states is not None
    assert result.states.shape == (5, 30, 9)
    assert result.states.dtype == np.uint8
    np.testing.assert_allclose(result.stats["log_joint"], factors.log_joint(result.states))


def test_marginals_are_the_frequencies_of_the_draws() -> None:
    factors = condition(POSITIVE["cards"])
    result = infer(factors, chains=7, draws=200)
    assert result.states is not None
    for v, card in enumerate(factors.cards):
        share = (result.states[:, :, v, None] == np.arange(card)).mean(axis=(0, 1))
        np.testing.assert_allclose(result.marginals.of(v), share, atol=1e-6)


def test_thinning_keeps_every_third_sweep() -> None:
    factors = condition(POSITIVE["loop"])
    dense, thin = infer(factors, draws=60), infer(factors, Gibbs(thin=3), draws=20)
    assert dense.states is not None
    assert thin.states is not None
    np.testing.assert_array_equal(thin.states, dense.states[:, 2::3])
    np.testing.assert_allclose(
        thin.marginals.probabilities, dense.marginals.probabilities, atol=1e-6
    )


def test_draws_beyond_the_memory_are_thinned_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = condition(POSITIVE["loop"])
    dense = infer(factors, draws=60)
    monkeypatch.setattr(gibbs, "MOST_DRAW_BYTES", 64 * 20 * 4)
    result = infer(factors, draws=60)
    assert dense.states is not None
    assert result.states is not None
    np.testing.assert_array_equal(result.states, dense.states[:, 2::3])
    assert "One draw in 3 is kept" in result.summary["notes"][0]
    np.testing.assert_allclose(
        result.marginals.probabilities, dense.marginals.probabilities, atol=1e-6
    )


def test_same_seed_same_draws_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probgen.inference.graphical.sweeps.sweeper.LEAST_WORK", 1)
    factors = condition(POSITIVE["grid"])
    one = infer(factors, chains=200, draws=20, seed=-5)
    two = infer(factors, chains=200, draws=20, seed=-5, threads=2)
    other = infer(factors, chains=200, draws=20, seed=2**70)
    np.testing.assert_array_equal(one.states, two.states)
    assert (one.states != other.states).any()


def test_no_draws_and_no_variables() -> None:
    factors = condition(POSITIVE["loop"])
    result = infer(factors, draws=0)
    assert result.states is not None
    assert result.states.shape == (64, 0, 4)
    assert np.isnan(result.marginals.probabilities).all()
    nothing = condition(POSITIVE["unary"], {0: 1, 1: 0})
    result = infer(nothing, draws=10)
    assert result.states is not None
    assert result.states.shape == (64, 10, 0)
    assert len(result.marginals.probabilities) == 0
    np.testing.assert_allclose(result.stats["log_joint"], nothing.log_constant)


def test_many_states_go_through_torch() -> None:
    factors = condition(markov([300, 2], [(0, 1)], 5, "wide"))
    result = infer(factors, draws=300)
    assert result.states is not None
    assert result.states.dtype == np.uint16
    assert np.abs(scores(factors, result)).max() < 5
    assert "more than 255 states" in result.summary["notes"][0]


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBGEN_CXX", "none")
    forget_libraries(monkeypatch)
    result = infer(condition(POSITIVE["chain"]), draws=10)
    assert "No C++ compiler" in result.summary["notes"][0]


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int, str]] = []
    infer(condition(POSITIVE["chain"]), draws=50, progress=lambda *told: seen.append(told))
    assert seen[-1] == (150, 150, "sampling")
    assert seen[0][2] == "warm-up"


def test_an_interrupt_hands_back_finished_draws() -> None:
    factors = condition(POSITIVE["grid"])
    whole = infer(factors, draws=3000)

    def interrupt(done: int, total: int, phase: str) -> None:
        if phase == "sampling" and done > 600:
            raise KeyboardInterrupt

    result = infer(factors, draws=3000, progress=interrupt)
    assert result.states is not None
    assert whole.states is not None
    drawn = result.states.shape[1]
    assert 0 < drawn < 3000
    assert result.summary["interrupted"]
    assert result.stats["log_joint"].shape == (64, drawn)
    np.testing.assert_array_equal(result.states, whole.states[:, :drawn])
    share = (result.states[:, :, 0] == 1).mean()
    np.testing.assert_allclose(result.marginals.of(0)[1], share, atol=1e-6)


def test_an_interrupt_before_the_first_draw_is_raised() -> None:
    def interrupt(done: int, total: int, phase: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        infer(condition(POSITIVE["grid"]), progress=interrupt)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"thin": 0}, "thin=0.*integer from 1"),
        ({"thin": True}, "thin=True"),
        ({"blocks": "all"}, "blocks='all'.*one of"),
        ({"device": 3}, "torch device's name"),
    ],
)
def test_settings_out_of_range(settings: dict, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        Gibbs(**settings)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(OptionError, match="device='nonsense' cannot be used"):
        infer(condition(POSITIVE["chain"]), Gibbs(device="nonsense"))
