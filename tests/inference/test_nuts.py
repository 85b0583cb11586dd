"""NUTS draws from known targets, in both engines and with both metrics, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.errors import OptionError
from probgen.inference.adapt.settings import METRICS
from probgen.inference.nuts import NUTS
from tests.inference.conformance import check_moments, conforms, effective_sample_size, run
from tests.inference.densities import native_density
from tests.inference.targets import (
    BOUNDED,
    CORRELATED,
    EASY,
    FUNNEL,
    GAUSSIAN,
    SKEWED,
    TARGETS,
    TRUNCATED,
    sigmoid,
)

CENTRED_FUNNEL = """
    const double spread = std::exp(-q[0]);
    double sum = 0;
    for (size_t i = 1; i < dim; ++i) {
        sum += q[i] * q[i];
        grad[i] = -q[i] * spread;
    }
    grad[0] = -q[0] / 9 + 0.5 * sum * spread - 0.5 * (dim - 1);
    return -q[0] * q[0] / 18 - 0.5 * sum * spread - 0.5 * (dim - 1) * q[0];"""


def name_of(value):
    return getattr(value, "name", None)


@pytest.mark.parametrize("target", [*TARGETS, TRUNCATED], ids=name_of)
def test_the_twins_of_a_target_agree_and_their_gradient_is_right(target):
    compiled, rng = target.native(), np.random.default_rng(3)
    for _ in range(5):
        q = rng.uniform(-1, 1, target.dim)
        value, gradient = compiled.value_and_grad(q)
        expected, expected_gradient = target.python(q)
        assert value == pytest.approx(expected, rel=1e-10)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10)
        step = 1e-5 * np.eye(target.dim)
        slopes = [(target.python(q + h)[0] - target.python(q - h)[0]) / 2e-5 for h in step]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_native_engine(target, metric):
    result = conforms(NUTS(metric=metric), target, target.native(), draws=10_000, threads=2)
    assert result.summary["engine"] == "native"


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("target", [GAUSSIAN, *EASY], ids=name_of)
def test_python_engine(target, metric):
    density = target.eager()
    result = conforms(
        NUTS(metric=metric), target, density, chains=2, draws=800, warmup=300, min_ess=100
    )
    assert result.summary["engine"] == "numpy"
    counted = (
        result.summary["gradient_evaluations"] + result.summary["gradient_evaluations_warmup"]
    )
    assert counted == density.calls


def test_python_engine_on_correlated_coordinates():
    conforms(NUTS(metric="dense"), CORRELATED, CORRELATED.eager(), chains=2, warmup=400)


def test_the_engines_agree():
    """Same settings, same target: moments of draws and statistics within Monte Carlo error."""
    method = NUTS(step_size=0.5)
    native = run(method, SKEWED.native(), draws=10_000, warmup=0, initial=[1.0, 1.0])
    python = run(method, SKEWED.eager(), draws=2000, warmup=0, chains=2, initial=[1.0, 1.0])
    pairs = [(native.unconstrained, python.unconstrained)]
    for name in ("acceptance_rate", "n_steps", "tree_depth", "energy", "energy_error"):
        pairs.append((native.stats[name][..., None], python.stats[name][..., None]))
    for many, few in pairs:
        check_moments(few, many.mean(axis=(0, 1)), many.std(axis=(0, 1)), min_ess=200)


def test_one_coordinate_and_one_chain():
    result = run(NUTS(), native_density(1, "grad[0] = -q[0]; return -0.5 * q[0] * q[0];"),
                 chains=1, draws=5000)  # fmt: skip
    assert result.unconstrained.shape == (1, 5000, 1)
    check_moments(result.unconstrained, [0], [1])


def test_statistics():
    result = run(NUTS(max_tree_depth=3), CORRELATED.native(), draws=200, keep_warmup=True)
    stats, dim = result.stats, CORRELATED.dim
    for name in ("lp", "energy", "step_size", "n_steps", "tree_depth", "acceptance_rate",
                 "energy_error", "diverging", "reached_max_depth"):  # fmt: skip
        assert stats[name].shape == (4, 200), name
    lp = [CORRELATED.python(q)[0] for q in result.unconstrained.reshape(-1, dim)]
    np.testing.assert_allclose(stats["lp"].ravel(), lp, rtol=1e-9)
    assert stats["diverging"].dtype == stats["reached_max_depth"].dtype == bool
    assert (stats["energy"] >= -stats["lp"]).all()
    assert (stats["tree_depth"] <= 3).all()
    assert (stats["n_steps"] <= 7).all()
    np.testing.assert_array_equal(stats["reached_max_depth"], stats["tree_depth"] == 3)
    assert stats["reached_max_depth"].any()
    assert ((stats["acceptance_rate"] >= 0) & (stats["acceptance_rate"] <= 1)).all()
    assert stats["n_steps"].sum() == result.summary["gradient_evaluations"]
    assert result.warmup_unconstrained is not None
    assert result.warmup_unconstrained.shape == (4, 1000, dim)
    assert result.warmup_stats is not None
    assert result.warmup_stats["lp"].shape == (4, 1000)
    assert result.summary["interrupted"] is False


def test_metrics_that_untie_correlations_need_fewer_gradients():
    efficiency = {}
    for metric in METRICS:
        result = run(NUTS(metric=metric), CORRELATED.native(), draws=4000)
        ess = effective_sample_size(result.unconstrained).min()
        efficiency[metric] = ess / result.summary["gradient_evaluations"]
    others = set(METRICS) - {"diag"}
    assert min(efficiency[metric] for metric in others) > 5 * efficiency["diag"], efficiency


def test_centred_funnel_is_flagged():
    """By divergences, which its non-centred twin does not have."""
    centred = run(NUTS(), native_density(10, CENTRED_FUNNEL), draws=10_000)
    assert centred.stats["diverging"].sum() >= 10
    assert not run(NUTS(), FUNNEL.native(), draws=10_000).stats["diverging"].any()


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_nan_regions_count_as_divergences_and_do_not_bias(engine):
    chains, draws = (4, 5000) if engine == "native" else (2, 1000)
    density = getattr(TRUNCATED, engine)()
    result = conforms(
        NUTS(), TRUNCATED, density, initial=[0.0], min_ess=100, chains=chains, draws=draws
    )
    assert result.stats["diverging"].mean() > 0.05
    assert (result.unconstrained <= 1).all()


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_same_seed_same_draws_others_differ(engine):
    def draws(seed: int, threads: int = 1, chains: int = 2):
        return run(
            NUTS(), getattr(SKEWED, engine)(), seed=seed, threads=threads, chains=chains,
            draws=50, warmup=50, initial=[0.5, 0.5],
        ).unconstrained  # fmt: skip

    first = draws(7)
    np.testing.assert_array_equal(first, draws(7))
    np.testing.assert_array_equal(first, draws(7, threads=2))
    np.testing.assert_array_equal(first, draws(7, chains=3)[:2])
    assert not np.isclose(first[0], first[1]).all(axis=-1).any()
    assert not np.isclose(first, draws(8)).all(axis=-1).any()


def test_any_integer_is_a_seed():
    for seed in (0, -3, 2**70):
        for density in (SKEWED.native(), SKEWED.eager()):
            result = run(NUTS(), density, seed=seed, draws=5, warmup=5, initial=[0.0, 0.0])
            assert np.isfinite(result.stats["lp"]).all()


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_no_draws_and_no_warmup(engine):
    density = getattr(SKEWED, engine)()
    result = run(NUTS(), density, draws=0, warmup=20, keep_warmup=True)
    assert result.unconstrained.shape == (4, 0, 2)
    assert result.stats["lp"].shape == (4, 0)
    assert result.warmup_unconstrained is not None
    assert np.isfinite(result.warmup_unconstrained).all()
    result = run(NUTS(), density, draws=20, warmup=0)
    assert np.isfinite(result.unconstrained).all()
    assert result.summary["gradient_evaluations"] == result.stats["n_steps"].sum()


def test_progress_is_told_from_the_first_to_the_last_transition():
    for density in (SKEWED.native(), SKEWED.eager()):
        seen = []
        run(NUTS(), density, chains=2, draws=30, warmup=20, progress=seen.append)
        assert seen[-1].iterations == (50, 50)
        assert (seen[-1].total, seen[-1].warmup) == (50, 20)
        assert min(seen[-1].gradients) >= 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_accept": 0.0}, "target_accept=0.0"),
        ({"target_accept": 1.0}, "between 0 and 1"),
        ({"max_tree_depth": 0}, "max_tree_depth=0"),
        ({"max_tree_depth": 21}, "from 1 to 20"),
        ({"max_tree_depth": 2.5}, "integer"),
        ({"max_tree_depth": True}, "integer"),
        ({"metric": "unit"}, "'diag'"),
        ({"step_size": 0.0}, "step_size=0.0"),
        ({"step_size": float("inf")}, "step_size=inf"),
        ({"max_energy_error": 0.0}, "max_energy_error=0.0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message) as caught:
        NUTS(**options)
    assert str(caught.value).startswith("NUTS(")


def test_a_method_is_a_value():
    assert NUTS(target_accept=0.9) == NUTS(target_accept=0.9) != NUTS()
    assert eval(repr(NUTS(metric="dense"))) == NUTS(metric="dense")
    assert NUTS().name == "NUTS"


def test_bounded_draws_stay_inside():
    draws = sigmoid(run(NUTS(), BOUNDED.native()).unconstrained)
    assert ((draws > 0) & (draws < 1)).all()
