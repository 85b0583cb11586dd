"""Runs of graph engines in pieces: broken anywhere and gone on with, the bits are the same."""

from __future__ import annotations

import copy
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from probgen.errors import OptionError
from probgen.inference.graphical import pieces as pieces_module
from probgen.inference.graphical.gibbs import Gibbs
from probgen.inference.graphical.method import GraphMethod, GraphPlan, GraphResult
from probgen.inference.graphical.parallel_tempering import ParallelTempering
from probgen.inference.graphical.swendsen_wang import SwendsenWang
from probgen.results.store.state import KernelState, Piece
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, grid, markov
from tests.inference.graphical.test_swendsen_wang import FERROMAGNETS

RUNS: dict[str, tuple[GraphMethod, Factors]] = {
    "Gibbs": (Gibbs(), condition(AWKWARD["grid"])),
    "Gibbs, thinned": (Gibbs(thin=3), condition(AWKWARD["cards"])),
    "Gibbs in blocks": (Gibbs(), condition(AWKWARD["functional"])),
    "Gibbs in torch": (Gibbs(), condition(markov([300, 2], [(0, 1)], 5, "wide"))),
    "clusters": (SwendsenWang(), condition(grid(3, 3, 0.5, 0.2, None))),
    "flipped clusters, thinned": (
        SwendsenWang(thin=2),
        condition(FERROMAGNETS["antiferromagnet on a square"]),
    ),
    "tempering": (ParallelTempering(), condition(AWKWARD["functional"])),
    "tempering, four levels": (
        ParallelTempering(levels=4, sweeps=1),
        condition(grid(4, 4, 0.8, 0.0, None)),
    ),
}
FIGURES = ("probabilities", "errors", "r_hat", "ess")


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "PIECE_SECONDS", 0.0)


def run(method: GraphMethod, factors: Factors, plan: GraphPlan) -> tuple[GraphResult, list[Piece]]:
    """The result and copies of its pieces, of up to seven draws (no batch is as long)."""
    kept: list[Piece] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces_module, "MOST_PIECE_BYTES", 7 * plan.chains * len(factors.cards))
        result = method.run(factors, replace(plan, keep=lambda p: kept.append(copy.deepcopy(p))))
    return result, kept


def draws_of(kept: list[Piece]) -> np.ndarray:
    return np.concatenate([piece.draws for piece in kept], axis=1)


def assert_same_figures(first: GraphResult, second: GraphResult) -> None:
    for name in FIGURES:
        a, b = getattr(first.marginals, name), getattr(second.marginals, name)
        np.testing.assert_array_equal(a, b, err_msg=name)
    for name in ("log_evidence", "log_evidence_error", "variable_updates", "round_trips"):
        assert first.summary.get(name) == second.summary.get(name), name


@pytest.mark.parametrize("chains", [3, 20])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_in_pieces_is_the_run(name: str, chains: int) -> None:
    method, factors = RUNS[name]
    plan = GraphPlan(chains, 60, 30, 7)
    whole = method.run(factors, plan)
    result, kept = run(method, factors, plan)
    assert result.states is None
    assert not result.stats
    assert_same_figures(result, whole)
    np.testing.assert_array_equal(draws_of(kept), whole.states)
    log_joint = np.concatenate([piece.stats["log_joint"] for piece in kept], axis=1)
    np.testing.assert_array_equal(log_joint, whole.stats["log_joint"])
    drawn = [piece for piece in kept if not piece.warm]
    assert [piece.first for piece in drawn] == list(
        np.cumsum([0, *(piece.draws.shape[1] for piece in drawn[:-1])])
    )
    iterations = [piece.state.iteration for piece in kept]
    assert iterations == sorted(set(iterations))
    assert any(piece.state.iteration == plan.warmup for piece in kept)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_broken_anywhere_goes_on_to_the_same_bits(
    name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probgen.inference.graphical.sweeps.sweeper.LEAST_WORK", 1)
    method, factors = RUNS[name]
    plan = GraphPlan(20, 60, 30, 7)
    whole, kept = run(method, factors, plan)
    breaks = np.unique(np.linspace(0, len(kept) - 1, 7).astype(int))
    for k in breaks:
        result, rest = run(method, factors, replace(plan, state=kept[k].state, threads=threads))
        assert_same_figures(result, whole)
        np.testing.assert_array_equal(draws_of(kept[: k + 1] + rest), draws_of(kept))
        assert not rest or rest[-1].state == kept[-1].state


def spoilt(state: KernelState, part: str) -> KernelState:
    """A state in which one thing was forgotten."""
    if part == "iteration":
        return replace(state, iteration=state.iteration - 1)
    if part == "rng":
        return replace(state, rng=state.rng + np.uint64(2))
    return replace(state, adaptation={**state.adaptation, part: 0 * state.adaptation[part]})


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Gibbs", "iteration"),
        ("Gibbs", "counts"),
        ("clusters", "iteration"),
        ("clusters", "open_sums"),
        ("clusters", "sums"),
        ("tempering", "rng"),
        ("tempering, four levels", "hotter_states"),
        ("tempering", "level_keys"),
        ("tempering", "bridge_above"),
        ("tempering", "refused"),
        ("tempering", "seen_top"),
    ],
)
def test_nothing_in_a_state_is_idle(name: str, part: str) -> None:
    """What goes on from a spoilt state is another run."""
    method, factors = RUNS[name]
    plan = GraphPlan(3, 100, 30, 7)
    whole, kept = run(method, factors, plan)
    # Between two batches there would be no counts to lose.
    piece = next(p for p in kept if p.first > 40 and not p.warm and _has(p.state, part))
    result, rest = run(method, factors, replace(plan, state=spoilt(piece.state, part)))
    drawn = piece.first + piece.draws.shape[1]
    same_draws = np.array_equal(draws_of(rest), draws_of(kept)[:, drawn:])
    figures = [getattr(result.marginals, name) for name in FIGURES]
    same = all(
        np.array_equal(figure, getattr(whole.marginals, name), equal_nan=True)
        for name, figure in zip(FIGURES, figures, strict=True)
    )
    told = ("log_evidence", "swap_acceptance", "round_trips")
    same_told = all(result.summary.get(key) == whole.summary.get(key) for key in told)
    assert not (same_draws and same and same_told)


def _has(state: KernelState, part: str) -> bool:
    return part not in state.adaptation or bool(np.any(state.adaptation[part]))


@pytest.mark.parametrize("name", RUNS)
def test_a_finished_run_can_be_made_longer(name: str) -> None:
    """The draws are those of the longer run; errors of the marginals are about the same."""
    method, factors = RUNS[name]
    kept = run(method, factors, GraphPlan(20, 60, 30, 7))[1]
    plan = GraphPlan(20, 150, 30, 7)
    whole = method.run(factors, plan)
    result, rest = run(method, factors, replace(plan, state=kept[-1].state))
    np.testing.assert_array_equal(draws_of(kept + rest), whole.states)
    np.testing.assert_allclose(
        result.marginals.probabilities, whole.marginals.probabilities, atol=1e-12
    )
    ratio = result.marginals.errors[whole.marginals.errors > 0]
    ratio = ratio / whole.marginals.errors[whole.marginals.errors > 0]
    assert 0.5 < np.median(ratio) < 2
    if "log_evidence" in whole.summary:
        assert result.summary["log_evidence"] == pytest.approx(whole.summary["log_evidence"])


@pytest.mark.parametrize("name", ["Gibbs", "clusters", "tempering, four levels"])
def test_memory_is_flat_when_draws_leave_in_pieces(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces_module, "MOST_PIECE_BYTES", 50_000)
    method, factors = RUNS[name]

    def peak(draws: int, kept: bool) -> int:
        keep = (lambda piece: None) if kept else None
        tracemalloc.start()
        method.run(factors, GraphPlan(256, draws, 10, 1, keep=keep))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(20, True)
    # 300 more draws are 700 kB or more; garbage that waits for its collection, some tens of kB
    assert peak(400, True) < 1.1 * peak(100, True) + 100_000
    assert peak(400, False) > peak(100, False) + 600_000


def test_an_interrupt_hands_over_what_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "PIECE_SECONDS", 1e9)
    for name, (method, factors) in RUNS.items():
        whole = method.run(factors, GraphPlan(20, 600, 10, 3))

        def interrupt(done: int, total: int, phase: str) -> None:
            if phase == "sampling" and done > 30:
                raise KeyboardInterrupt

        plan = GraphPlan(20, 600, 10, 3, progress=interrupt)
        result, kept = run(method, factors, plan)
        assert result.summary["interrupted"], name
        drawn = draws_of(kept)
        assert 0 < drawn.shape[1] < 600, name
        np.testing.assert_array_equal(drawn, whole.states[:, : drawn.shape[1]])
        again, rest = run(method, factors, replace(plan, state=kept[-1].state, progress=None))
        np.testing.assert_array_equal(draws_of(kept + rest), whole.states)
        assert_same_figures(again, whole)


@pytest.mark.parametrize("name", ["Gibbs", "clusters", "tempering"])
def test_the_state_of_another_run_is_refused(name: str) -> None:
    method, factors = RUNS[name]
    plan = GraphPlan(3, 10, 4, 7)
    state = run(method, factors, plan)[1][-1].state
    with pytest.raises(OptionError, match=r"3 x \d+ chains x variables, this run 5 x"):
        method.run(factors, replace(plan, chains=5, state=state))
    if name != "tempering":
        with pytest.raises(OptionError, match="another seed"):
            method.run(factors, replace(plan, seed=8, state=state))
