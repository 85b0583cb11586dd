"""ChEES-HMC draws from known targets, on every engine; what it learns, and its duties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import probgen as pg
from probgen import models
from probgen.errors import InitialisationError, ModelError, OptionError, SamplingError
from probgen.inference.batched import transition as transition_module
from probgen.inference.batched import warmup as warmup_module
from probgen.inference.chees import ChEES
from tests.inference.conformance import check_moments, conforms, make_plan, run
from tests.inference.densities import TestDensity, native_density
from tests.inference.targets import (
    CORRELATED,
    EASY,
    GAUSSIAN,
    HEAVY_TAILED,
    SKEWED,
    TARGETS,
    TRUNCATED,
    WIDE,
)
from tests.inference.test_interrupt import PLENTY, Interrupt, slow_native, slow_python

PLAN = {"chains": 32, "draws": 400, "warmup": 300}
SHORT = {"chains": 8, "draws": 20, "warmup": 30}


def name_of(value):
    return getattr(value, "name", None)


# --- right draws -------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_native_engine(target):
    result = conforms(ChEES(), target, target.native(), **PLAN, threads=2)
    assert result.summary["engine"] == "native"


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_diagonal_metric(target):
    conforms(ChEES(metric="diag"), target, target.native(), **PLAN)


@pytest.mark.slow
@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("target", EASY, ids=name_of)
def test_jitter_from_none_to_all(target, jitter):
    conforms(ChEES(jitter=jitter), target, target.native(), **PLAN)


@pytest.mark.parametrize("target", [SKEWED, GAUSSIAN], ids=name_of)
def test_python_engine(target):
    plan = {"chains": 16, "draws": 150, "warmup": 100}
    result = conforms(ChEES(), target, target.eager(), **plan, min_ess=200)
    assert result.summary["engine"] == "python"


def test_nan_regions_count_as_divergences_and_do_not_bias():
    for density in (TRUNCATED.native(), TRUNCATED.eager()):
        result = conforms(ChEES(), TRUNCATED, density, initial=[0.0], **PLAN)
        assert result.stats["diverging"].mean() > 0.02


def test_the_engines_agree():
    """Same random numbers, same draws: native trajectories are those of torch."""
    plan = {"chains": 8, "draws": 15, "warmup": 0, "initial": [1.0, 1.0]}
    method = ChEES(step_size=0.3, trajectory_length=1.5)
    native, python = (run(method, d, **plan) for d in (SKEWED.native(), SKEWED.eager()))
    np.testing.assert_allclose(native.unconstrained, python.unconstrained, rtol=1e-9, atol=1e-9)
    for name, values in native.stats.items():
        np.testing.assert_allclose(values, python.stats[name], rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize(
    ("backend", "engine"),
    [
        ("native", "native"),
        pytest.param("torch", "torch", marks=pytest.mark.slow),
        pytest.param("eager", "python", marks=pytest.mark.slow),
    ],
)
def test_a_program_on_every_backend(backend, engine):
    model = models.load("eight_schools")
    plan = PLAN if backend == "native" else {"chains": 16, "draws": 60, "warmup": 60}
    tree = pg.infer(
        model.program, ChEES(), data=model.data, backend=backend, seed=1, progress=False, **plan
    )
    assert (tree.attrs["backend"], tree.attrs["engine"]) == (backend, engine)
    error = 3.3 / np.sqrt(2000 if backend == "native" else 150)
    assert float(tree["posterior"]["mu"].mean()) == pytest.approx(4.4, abs=5 * error)


def test_without_a_compiler(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    model = models.load("eight_schools")
    plan = {"chains": 16, "draws": 50, "warmup": 50, "seed": 1, "progress": False}
    tree = pg.infer(model.program, ChEES(), data=model.data, **plan)
    assert (tree.attrs["backend"], tree.attrs["engine"]) == ("torch", "torch")
    assert float(tree["posterior"]["mu"].mean()) == pytest.approx(4.4, abs=1.4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    model = models.load("eight_schools")
    method, plan = ChEES(device="cuda"), {**PLAN, "chains": 256, "progress": False}
    tree = pg.infer(model.program, method, data=model.data, seed=1, **plan)
    assert tree.attrs["device"].startswith("cuda")
    assert float(tree["posterior"]["mu"].mean()) == pytest.approx(4.4, abs=0.2)


# --- broken on purpose -------------------------------------------------------------------------


def draws_of(target, seed=1, **options):
    method = ChEES(step_size=options.pop("step_size", None), **options)
    plan = {**PLAN, "seed": seed}
    return target.observe(run(method, target.native(), **plan).unconstrained)


def checked(target, draws):
    check_moments(draws, target.mean, target.sd, kurtosis=target.kurtosis)


def test_an_energy_without_its_kinetic_part_is_noticed(monkeypatch):
    checked(SKEWED, draws_of(SKEWED))
    monkeypatch.setattr(transition_module, "_energy", lambda e, momentum: -e.log_density)
    with pytest.raises(AssertionError, match=r"(mean|variance) off|ESS"):
        checked(SKEWED, draws_of(SKEWED))


def test_an_energy_of_the_wrong_sign_is_noticed(monkeypatch):
    right = transition_module._energy
    monkeypatch.setattr(transition_module, "_energy", lambda *args: -right(*args))
    with pytest.raises(AssertionError, match=r"(mean|variance) off|ESS"):
        checked(HEAVY_TAILED, draws_of(HEAVY_TAILED, step_size=1.0))


def test_nothing_moves_among_the_draws():
    result = run(ChEES(), SKEWED.native(), **SHORT)
    for name in ("step_size", "trajectory_length"):
        values = result.stats[name]
        assert (values == values[0, 0]).all()
        np.testing.assert_array_equal(values[:, 0], result.adaptation[name])
    kept = run(ChEES(), SKEWED.native(), **SHORT, keep_warmup=True)
    assert np.ptp(kept.warmup_stats["step_size"]) > 0
    assert np.ptp(kept.warmup_stats["trajectory_length"]) > 0


@pytest.mark.slow
def test_adapting_to_the_state_among_the_draws_is_noticed(monkeypatch):
    """A step that depends on where the chains are: each transition is right, together they lie."""
    from probgen.inference.batched.run import _Run

    step = _Run._step

    def restless(self, i):
        self.tuning.step = 1.5 if float(self.ensemble.position[0, 0]) > 0 else 0.05
        step(self, i)

    plan = {"chains": 1, "draws": 10_000, "warmup": 0, "initial": [0.5, 0.5]}
    method = ChEES(step_size=0.5, trajectory_length=1.5)
    checked(SKEWED, run(method, SKEWED.native(), **plan).unconstrained)
    monkeypatch.setattr(_Run, "_step", restless)
    with pytest.raises(AssertionError, match=r"(mean|variance) off|ESS"):
        checked(SKEWED, run(method, SKEWED.native(), **plan).unconstrained)


@pytest.mark.slow
def test_momenta_without_their_metric_are_noticed(monkeypatch):
    from probgen.inference.batched.metric import Metric

    method, plan = ChEES(max_steps=16), {"chains": 8, "draws": 100, "warmup": 60, "min_ess": 50}
    conforms(method, GAUSSIAN, GAUSSIAN.eager(), **plan)
    monkeypatch.setattr(Metric, "force", lambda self, gradient: gradient)
    with pytest.raises((AssertionError, SamplingError)):
        conforms(method, GAUSSIAN, GAUSSIAN.eager(), **plan)


# --- what it learns ----------------------------------------------------------------------------


def length_learnt(target) -> float:
    return run(ChEES(), target.native(), **PLAN).summary["trajectory_length"]


def test_trajectories_of_a_normal_go_about_a_quarter_turn(monkeypatch):
    """A quarter turn takes pi / 2; climbing the wrong way, half turns are found, or none."""
    assert 1.0 < length_learnt(GAUSSIAN) < 2.0
    right = warmup_module.chees_gradient
    monkeypatch.setattr(warmup_module, "chees_gradient", lambda *args: -right(*args))
    assert not 0.8 < length_learnt(GAUSSIAN) < 2.3


def test_the_gradient_of_the_criterion_is_its_derivative():
    """For a standard normal with mean 0, one long exact trajectory against differences in time."""
    from probgen.inference.batched.ensemble import Ensemble
    from probgen.inference.batched.metric import Metric
    from probgen.inference.batched.trajectory_length import chees_gradient
    from probgen.inference.batched.transition import Transition

    generator = torch.Generator().manual_seed(0)
    q, p = torch.randn(2, 4000, 3, generator=generator, dtype=torch.float64)
    none = torch.zeros(len(q), dtype=torch.float64)

    def at(time):
        end = q * np.cos(time) + p * np.sin(time)
        before = (q - q.mean(0)).square().sum(1)
        return float(((end - end.mean(0)).square().sum(1) - before).square().mean() / 4)

    time, tiny = 0.7, 1e-5
    end = Ensemble(q * np.cos(time) + p * np.sin(time), q, none)
    momentum = p * np.cos(time) - q * np.sin(time)
    result = Transition(end, end, momentum, none, none, none + 1, none.bool(), none.long())
    gradient = chees_gradient(Ensemble(q, q, none), result, Metric.diagonal(q.new_ones(3)))
    # The derivative of the empirical mean is left out, as in the paper: a matter of 1 / chains.
    assert gradient == pytest.approx((at(time + tiny) - at(time - tiny)) / (2 * tiny), rel=0.01)


@pytest.mark.parametrize("target", [0.6, 0.8, 0.9])
def test_acceptance_reaches_its_target(target):
    result = run(ChEES(target_accept=target), WIDE.native(), **PLAN)
    assert result.stats["acceptance_rate"].mean() == pytest.approx(target, abs=0.06)


def test_few_directions_untie_correlations():
    plan = {**PLAN, "warmup": 200}
    diagonal, low_rank = (
        run(ChEES(metric=metric), CORRELATED.native(), **plan) for metric in ("diag", "low_rank")
    )
    assert low_rank.summary["metric_directions"] > 0
    assert low_rank.summary["step_size"][0] > 1.5 * diagonal.summary["step_size"][0]


def test_fixed_settings_are_kept():
    method = ChEES(step_size=0.37, trajectory_length=1.1, jitter=0.0)
    result = run(method, SKEWED.native(), **SHORT, keep_warmup=True)
    assert (result.stats["step_size"] == 0.37).all()
    assert (result.warmup_stats["step_size"] == 0.37).all()
    assert (result.stats["n_steps"] == 3).all()


@pytest.mark.parametrize("warmup", [0, 1, 2, 5, 20, 51])
@pytest.mark.parametrize("chains", [1, 3, 16])
def test_any_length_of_warmup_and_number_of_chains(chains, warmup):
    result = run(ChEES(), HEAVY_TAILED.native(), chains=chains, draws=10, warmup=warmup)
    assert np.isfinite(result.unconstrained).all()
    assert result.unconstrained.shape == (chains, 10, 3)


# --- duties ------------------------------------------------------------------------------------


def test_same_seed_same_draws_for_any_number_of_threads():
    def draws(**plan):
        return run(ChEES(), SKEWED.native(), **SHORT, **plan).unconstrained

    np.testing.assert_array_equal(draws(), draws(threads=3))
    assert not np.isclose(draws(seed=1), draws(seed=2)).all(axis=-1).any()
    plan = make_plan(SKEWED.native(), **SHORT)
    negative = ChEES().run(SKEWED.native(), replace(plan, seed=-5))
    assert np.isfinite(negative.unconstrained).all()


def test_stats_describe_their_draws():
    result = run(ChEES(), GAUSSIAN.native(), **SHORT, keep_warmup=True)
    assert set(result.stats) >= {
        "lp", "energy", "step_size", "n_steps", "acceptance_rate", "energy_error", "diverging",
    }  # fmt: skip
    lp = [[GAUSSIAN.python(q)[0] for q in chain] for chain in result.unconstrained]
    np.testing.assert_allclose(result.stats["lp"], lp, rtol=1e-10)
    assert (result.stats["energy"] >= -result.stats["lp"]).all()
    assert result.warmup_unconstrained.shape == (8, 30, 5)
    steps = result.stats["n_steps"].sum() + result.warmup_stats["n_steps"].sum()
    summary = result.summary
    assert steps == summary["gradient_evaluations"] + summary["gradient_evaluations_warmup"]


def test_thinning_keeps_one_of_so_many():
    every = run(ChEES(), SKEWED.native(), chains=8, draws=30, warmup=30)
    third = run(ChEES(), SKEWED.native(), chains=8, draws=10, warmup=30, thin=3)
    np.testing.assert_array_equal(third.unconstrained, every.unconstrained[:, 2::3])


def test_what_was_learnt_can_be_used_again():
    first = run(ChEES(), CORRELATED.native(), **PLAN)
    assert {len(rows) for rows in first.adaptation.values()} == {PLAN["chains"]}
    plan = {**PLAN, "warmup": 0, "adaptation": first.adaptation}
    again = conforms(ChEES(), CORRELATED, CORRELATED.native(), **plan)
    assert again.summary["step_size"] == pytest.approx(first.summary["step_size"])
    assert again.summary["trajectory_length"] == first.summary["trajectory_length"]
    assert again.summary["metric_directions"] == first.summary["metric_directions"]
    assert (again.adaptation["runs"] == 2).all()
    assert not np.isclose(again.unconstrained, first.unconstrained).all(axis=-1).any()
    fewer = {name: rows[np.arange(5) % len(rows)] for name, rows in first.adaptation.items()}
    run(ChEES(), CORRELATED.native(), chains=5, draws=5, warmup=20, adaptation=fewer)


def test_what_another_method_learnt_is_refused():
    plan = make_plan(SKEWED.native(), **SHORT, adaptation={"position": np.zeros((8, 2))})
    with pytest.raises(OptionError, match="needs 'scale' of shape"):
        ChEES().run(SKEWED.native(), plan)


@pytest.mark.parametrize("make", [slow_native, slow_python])
def test_finished_draws_are_returned_when_interrupted(make):
    method = ChEES(step_size=0.5, trajectory_length=0.5)
    with Interrupt(lambda progress: progress.iterations[0] > 8) as interrupt:
        result = run(method, make(), chains=4, draws=PLENTY, warmup=5, threads=2,
                     progress=interrupt)  # fmt: skip
    assert result.summary["interrupted"] is True
    assert 3 < result.unconstrained.shape[1] < PLENTY
    assert np.isfinite(result.unconstrained).all()
    with (
        Interrupt(lambda progress: progress.iterations[0] > 0) as interrupt,
        pytest.raises(KeyboardInterrupt),
    ):
        run(method, make(), chains=4, draws=5, warmup=PLENTY, progress=interrupt)


def test_bad_starts_and_posteriors_are_named():
    starts = np.array([[0.0], [0.5], [0.2], [2.0]])
    with pytest.raises(InitialisationError, match="Chain 3 starts where"):
        run(ChEES(), TRUNCATED.native(), chains=4, initial=starts)
    with pytest.raises(ModelError, match="nothing to sample"):
        run(ChEES(), TestDensity(0, SKEWED.python))
    wall = native_density(1, "grad[0] = 0; return q[0] == 0 ? 0 : NAN;")
    with pytest.raises(SamplingError, match="No chain ever moved"):
        run(ChEES(), wall, chains=4, draws=20, warmup=10, initial=[0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_accept": 1.0}, "target_accept=1.0"),
        ({"step_size": 0.0}, "step_size=0.0"),
        ({"trajectory_length": -1.0}, "trajectory_length=-1.0"),
        ({"jitter": 1.5}, r"\[0, 1\]"),
        ({"metric": "dense"}, "'low_rank' or 'diag'"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"max_energy_error": 0}, "max_energy_error=0"),
        ({"device": 3}, "device=3"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message) as caught:
        ChEES(**options)
    assert str(caught.value).startswith("ChEES(")
