"""FlowMetropolis: right moments and weights of modes, a frozen flow, and a guard that speaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import InitialisationError, OptionError
from probgen.inference.flow_assisted import jumps, walkers
from probgen.inference.flow_assisted.weights import FLOW
from probgen.studies.ladder import resume
from probgen.studies.ladder.targets import TARGETS
from tests.inference.conformance import check_moments, conforms, run
from tests.inference.flow_assisted.modes import MANY, TWO, density_with, membership, weights_of
from tests.inference.targets import BOUNDED, EASY, SKEWED, TRUNCATED
from tests.inference.test_interrupt import PLENTY, Interrupt, slow_native

WALKERS = {"chains": 32, "draws": 150, "warmup": 60}


def quick(**settings):
    usual = {"training_steps": 100, "particles": 300, "transforms": 2, "hidden": (16,)}
    return pg.FlowMetropolis(**{**usual, **settings})


@pytest.mark.parametrize("target", EASY, ids=lambda target: target.name)
def test_conforms(target):
    result = conforms(quick(), target, target.native(), **WALKERS)
    assert result.summary["flow_acceptance"] > 0.1


def test_local_moves_alone_conform_and_say_so():
    method = quick(least_acceptance=0.999)
    result = conforms(method, BOUNDED, BOUNDED.native(), **WALKERS)
    assert result.summary["local_only"] is True
    assert "made local moves only" in result.summary["notes"][-1]
    assert not result.stats["flow_accepted"].any()


def test_nan_regions_do_not_bias():
    conforms(quick(), TRUNCATED, TRUNCATED.native(), initial=[0.0], **WALKERS)


@pytest.mark.parametrize("modes", [TWO, MANY], ids=["two", "many"])
def test_modes_have_their_weights(modes):
    result = run(pg.FlowMetropolis(training_steps=400), density_with(modes), **WALKERS)
    truth = weights_of(modes)
    check_moments(
        membership(result.unconstrained, modes), truth, np.sqrt(truth * (1 - truth)),
        kurtosis=1 / (truth * (1 - truth)) - 3, min_ess=100,
    )  # fmt: skip


def test_a_ratio_without_the_density_of_the_proposal_is_noticed(monkeypatch):
    monkeypatch.setattr(jumps, "log_ratio", lambda new, new_log_q, old, old_log_q: new - old)
    result = run(quick(), SKEWED.native(), **WALKERS)
    with pytest.raises(AssertionError, match="off by"):
        check_moments(
            result.unconstrained, SKEWED.mean, SKEWED.sd, kurtosis=SKEWED.kurtosis, min_ess=300
        )


def frozen() -> bool:
    """Whether a longer run ends with the flow and the step size of a shorter one."""
    short, long = (
        run(quick(), SKEWED.native(), chains=8, draws=draws, warmup=20).adaptation
        for draws in (1, 12)
    )
    return all(np.array_equal(short[n], long[n]) for n in (FLOW, "step_size", "scale"))


def test_nothing_is_learnt_after_the_warm_up():
    assert frozen()


def test_a_step_size_that_is_never_settled_is_noticed(monkeypatch):
    make = walkers.LocalMoves.make
    monkeypatch.setattr(
        walkers.LocalMoves, "make", lambda self, start, adapt: make(self, start, True)
    )
    assert not frozen()


def test_a_flow_that_is_trained_for_ever_is_noticed(monkeypatch):
    whole = walkers._Run._transition

    def adapting(self, i):
        whole(self, i)
        guide = self.jumps.guide.requires_grad_()
        loss = -guide.log_prob(self.ensemble.position).mean()
        gradients = torch.autograd.grad(loss, list(guide.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(guide.parameters(), gradients, strict=True):
                parameter -= 0.01 * gradient

    monkeypatch.setattr(walkers._Run, "_transition", adapting)
    assert not frozen()


def test_same_seed_same_draws():
    def draws(**plan):
        plan = {"chains": 8, "draws": 20, "warmup": 12, "initial": [0.5, 0.5], **plan}
        return run(quick(), SKEWED.native(), **plan).unconstrained

    np.testing.assert_array_equal(draws(), draws(threads=2))
    assert not (draws()[0] == draws()[1]).all(axis=-1).any()
    assert not (draws(seed=1) == draws(seed=2)).all(axis=-1).any()


def test_counts_and_shapes():
    density = SKEWED.eager()
    seen = []
    result = run(
        quick(), density, chains=4, draws=0, warmup=10, keep_warmup=True, progress=seen.append
    )
    assert result.unconstrained.shape == (4, 0, 2)
    assert result.warmup_unconstrained.shape == (4, 10, 2)
    assert seen[-1].iterations == (10,) * 4
    assert 0.5 < result.summary["gradient_evaluations_warmup"] / density.calls <= 1
    result = run(quick(), density, chains=2, draws=4, warmup=10)
    for row, lp in zip(result.unconstrained[0], result.stats["lp"][0], strict=True):
        assert lp == pytest.approx(SKEWED.python(row)[0], abs=1e-9)


def test_a_run_without_warm_up_moves_locally():
    result = run(quick(), SKEWED.native(), chains=4, draws=20, warmup=0)
    assert "there being no warm-up" in result.summary["notes"][-1]


def test_starts_that_are_given_are_kept():
    far = 2 * np.ones((16, 2))
    result = run(
        quick(start="given"), density_with(TWO), chains=16, draws=5, warmup=30, initial=far
    )
    assert "temperatures" not in result.summary
    assert membership(result.unconstrained, TWO)[..., 1].all()


def test_a_run_goes_on_from_what_another_learnt():
    first = run(quick(), SKEWED.native(), chains=16, draws=5, warmup=60)
    again = conforms(
        quick(), SKEWED, SKEWED.native(), chains=16, draws=300, warmup=0, seed=2,
        adaptation=first.adaptation,
    )  # fmt: skip
    assert np.array_equal(again.adaptation[FLOW], first.adaptation[FLOW])
    bad = {**first.adaptation, "step_size": -first.adaptation["step_size"]}
    with pytest.raises(OptionError, match="step_size"):
        run(quick(), SKEWED.native(), chains=16, draws=5, warmup=0, adaptation=bad)


def test_pieces_and_resumed_runs_have_the_same_bits(monkeypatch):
    monkeypatch.setattr(resume, "DRAWS", 300)
    outcomes = list(resume.climb(quick(), TARGETS[3], 1))
    assert len(outcomes) > 1
    assert [o.passed for o in outcomes] == [True] * len(outcomes), outcomes


def test_warm_up_is_handed_over_in_one_piece():
    pieces = []
    run(
        quick(), SKEWED.native(), chains=4, draws=30, warmup=25, keep_warmup=True,
        keep=lambda piece: pieces.append((piece.warm, piece.draws.copy())),
    )  # fmt: skip
    whole = run(quick(), SKEWED.native(), chains=4, draws=30, warmup=25, keep_warmup=True)
    assert [warm for warm, _ in pieces].count(True) == 1
    assert np.array_equal(pieces[0][1], whole.warmup_unconstrained)
    drawn = np.concatenate([draws for warm, draws in pieces if not warm], axis=1)
    assert np.array_equal(drawn, whole.unconstrained)


def test_interrupted():
    with Interrupt(lambda progress: progress.iterations[0] > 8) as interrupt:
        result = run(
            quick(particles=50, start="given"), slow_native(), chains=2, draws=PLENTY, warmup=5,
            progress=interrupt,
        )  # fmt: skip
    assert result.summary["interrupted"] is True
    assert 0 < result.unconstrained.shape[1] < PLENTY
    with Interrupt(lambda progress: True) as interrupt, pytest.raises(KeyboardInterrupt):
        run(quick(), slow_native(), chains=2, draws=5, warmup=PLENTY, progress=interrupt)


def test_errors():
    for option, value in (
        ("guide", "iaf"), ("start", "cold"), ("local_moves", 0), ("leapfrog_steps", 0),
        ("particles", 3), ("training_steps", 0), ("target_accept", 1), ("least_acceptance", 0),
        ("width", 0), ("transforms", 0),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=f"{option}={value!r}"):
            pg.FlowMetropolis(**{option: value})
    with pytest.raises(InitialisationError, match="Chain 0"):
        run(quick(), TRUNCATED.native(), initial=[2.0])
