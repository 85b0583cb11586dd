"""Verdicts on approximations, on modes, and on many short chains."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from probgen.diagnose import diagnose
from tests.diagnose.synthetic_runs import autoregressive, normal, tree_of


def approximation(pareto_k: float | None, draws: int = 1000):
    attrs = {"inference_library": "probgen", "method": "Pathfinder", "approximation": 1}
    if pareto_k is not None:
        attrs["pareto_k"] = pareto_k
    return tree_of({"mu": normal(1, chains=1, draws=draws)}, stats={}, attrs=attrs)


@pytest.mark.parametrize(
    ("pareto_k", "severity"),
    [(0.2, None), (0.6, "warning"), (0.9, "failure"), (np.nan, "warning")],
)
def test_pareto_k_is_judged(pareto_k, severity):
    findings = [f for f in diagnose(approximation(pareto_k)).findings if f.check == "Pareto k"]
    assert [f.severity for f in findings] == ([severity] if severity else [])


def test_chains_are_not_judged_in_an_approximation():
    assert not {"chains", "bulk ESS", "R-hat"} & {
        f.check for f in diagnose(approximation(0.1)).findings
    }


def test_a_mode_has_no_spread():
    verdict = diagnose(approximation(None, draws=1))
    assert [f.check for f in verdict.findings] == ["point estimate"]
    assert "mu" in str(verdict)


def trained(losses):
    tree = approximation(0.1)
    tree["history"] = xr.Dataset({"loss": ("step", losses)})
    return [f for f in diagnose(tree).findings if f.check == "ELBO"]


STEPS = np.arange(1000)


def noise(seed: int, scale: float = 20.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=scale, size=len(STEPS))


def test_a_loss_that_still_falls_or_rises_is_told():
    (falling,) = trained(5000 + 300 * np.exp(-STEPS / 400) + noise(1))
    assert falling.severity == "warning"
    assert "still fell by" in falling.message
    assert "train longer" in falling.advice
    (rising,) = trained(5000 + 0.2 * np.maximum(STEPS - 500, 0) + noise(1))
    assert "rose by" in rising.message
    assert "learning rate" in rising.advice


@pytest.mark.parametrize("seed", range(20))
def test_a_settled_loss_is_not(seed):
    assert not trained(5000 + 300 * np.exp(-STEPS / 40) + noise(seed))
    assert not trained(5 + 0.5 * np.exp(-STEPS / 400) + noise(seed, 0.01))  # less than a nat


def test_a_loss_that_is_not_finite_fails():
    losses = 5000 + noise(1)
    losses[900:] = np.nan
    (found,) = trained(losses)
    assert found.severity == "failure"
    assert not trained(5000 + noise(1)[:50])  # too few steps to tell


def short_chains():
    """64 chains of 200 correlated draws, which agree: means of so few differ by chance."""
    return autoregressive(0.8, seed=2, chains=64)[:, 400:600]


def test_many_short_chains_are_allowed_their_noise():
    verdict = diagnose(tree_of({"mu": short_chains()}))
    assert verdict.table["r_hat"].iloc[0] > 1.01
    assert not {f.check for f in verdict.findings} & {"R-hat", "bulk ESS"}


def test_many_short_chains_apart_are_caught():
    values = short_chains()
    values[::4] += 1.5
    assert "R-hat" in {f.check for f in diagnose(tree_of({"mu": values})).findings}


def test_unadjusted_draws_are_said_to_be_biased():
    note = "Draws are unadjusted: energy errors bias them. Use MAMS() for exact draws."
    verdict = diagnose(tree_of({"mu": normal(1)}, attrs={"notes": note}))
    assert [f.severity for f in verdict.findings if f.check == "sampler"] == ["warning"]


def test_pareto_k_is_said_once():
    tree = approximation(0.9)
    tree.attrs["notes"] = ["Pareto k of the importance ratios is 0.90, above 0.7: no.", "Other."]
    said = [(f.check, f.message) for f in diagnose(tree).findings]
    assert [check for check, _ in said] == ["Pareto k", "sampler"]


def test_a_mode_where_the_gradient_does_not_vanish_is_a_warning():
    tree = approximation(None, draws=1)
    tree.attrs["notes"] = ["No step rises, yet the gradient does not vanish there: a kink."]
    assert [f.severity for f in diagnose(tree).findings if f.check == "sampler"] == ["warning"]


@pytest.mark.parametrize(
    ("method", "settings", "words"),
    [
        ("MCLMC", "target_energy_error=0.0005", "target_energy_error to 5e-05"),
        ("TemperedSMC", "moves=4", "raise moves or draws"),
    ],
)
def test_divergences_are_cured_by_the_methods_own_setting(method, settings, words):
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging[:, ::100] = True
    attrs = {
        "inference_library": "probgen",
        "method": method,
        "method_settings": f"{method}({settings})",
    }
    tree = tree_of({"mu": normal(1)}, attrs=attrs, diverging=diverging)
    found = next(f for f in diagnose(tree).findings if f.check == "divergences")
    assert words in found.advice
    assert "target_accept" not in found.advice
