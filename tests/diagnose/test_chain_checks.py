"""Chains that are not chains: not finite, constant, stuck, copied, too few, too short."""

import json

import numpy as np
import pytest
from synthetic_runs import CHAINS, DRAWS, normal, rng, tree_of
from test_convergence_checks import finding

from probgen.diagnose import diagnose


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_draws_fail_and_are_named(value):
    theta = normal(1, 3)
    theta[1, 5, 2] = value
    verdict = diagnose(tree_of({"mu": normal(2), "theta": theta}))
    found = finding(verdict, "non-finite draws")
    assert found.severity == "failure"
    assert found.sites == {"theta[2]": 1 / (CHAINS * DRAWS)}
    assert verdict.table.loc["theta[2]"].isna().all()
    assert verdict.table.loc["theta[1]"].notna().all()
    assert len(verdict.findings) == 1


def test_non_finite_deterministic_values_warn():
    tree = tree_of({"mu": normal(1), "ratio": np.full((CHAINS, DRAWS), np.inf)}, sampled=("mu",))
    assert finding(diagnose(tree), "non-finite draws").severity == "warning"


def test_constants_of_all_chains_are_a_note_not_an_alarm():
    correlation = np.ones((CHAINS, DRAWS, 2, 2))
    correlation[..., 0, 1] = correlation[..., 1, 0] = np.tanh(normal(1))
    correlation[..., 1, 1] += 1e-16 * np.sign(normal(2))  # rounding of L L^T
    verdict = diagnose(tree_of({"correlation": correlation}))
    assert verdict.ok
    found = finding(verdict, "constants")
    assert found.severity == "note"
    assert set(found.sites) == {"correlation[0, 0]", "correlation[1, 1]"}


def test_nothing_moving_at_all_is_a_failure():
    verdict = diagnose(tree_of({"mu": np.full((CHAINS, DRAWS), 2.0)}))
    assert finding(verdict, "constants").severity == "failure"
    assert not verdict.trustworthy


def test_a_stuck_chain_is_named():
    mu, theta = normal(1), normal(2, 4)
    mu[2], theta[2] = mu[2, 0], theta[2, 0]
    found = finding(diagnose(tree_of({"mu": mu, "theta": theta})), "stuck chains")
    assert found.severity == "failure"
    assert found.sites == {"chain 2": 1.0}


def test_chains_stuck_at_different_places_fail():
    mu = np.broadcast_to(np.arange(4.0)[:, None], (CHAINS, DRAWS)).copy()
    verdict = diagnose(tree_of({"mu": mu}))
    assert "all 4 chains" in finding(verdict, "stuck chains").message
    assert not verdict.trustworthy


def test_rejections_of_a_metropolis_chain_are_not_stuck():
    steps = normal(1)
    mu = np.repeat(steps[:, ::4], 4, axis=1)[:, :DRAWS]  # three of four proposals rejected
    verdict = diagnose(tree_of({"mu": mu}), ess_per_chain=10)
    assert "stuck chains" not in {entry.check for entry in verdict.findings}


def test_one_parameter_standing_still_in_one_chain_is_named():
    theta = normal(1, 3)
    theta[3, :, 1] = 0.5
    found = finding(diagnose(tree_of({"theta": theta})), "stuck parameters")
    assert list(found.sites) == ["theta[1]"]
    assert "chain 3" in found.message


def test_a_rare_event_is_not_a_stuck_parameter():
    rare = np.zeros((CHAINS, DRAWS), dtype=int)
    rare[0, [10, 500]] = 1
    found = {entry.check for entry in diagnose(tree_of({"mu": normal(1), "rare": rare})).findings}
    assert "stuck parameters" not in found


def test_copied_chains_fail():
    mu = normal(1)
    mu[3] = mu[1]
    found = finding(diagnose(tree_of({"mu": mu})), "copied chains")
    assert found.severity == "failure"
    assert list(found.sites) == ["chain 3"]


def test_one_chain_warns_and_still_has_a_split_r_hat():
    verdict = diagnose(tree_of({"mu": normal(2, chains=1)}))
    found = finding(verdict, "chains")
    assert found.severity == "warning"
    assert "split R-hat" in found.message
    assert verdict.table["r_hat"].notna().all()
    assert verdict.trustworthy
    assert not verdict.ok


def test_two_chains_are_a_note():
    verdict = diagnose(tree_of({"mu": normal(1, chains=2)}))
    assert finding(verdict, "chains").severity == "note"
    assert verdict.ok


@pytest.mark.parametrize(("draws", "severity"), [(1, "failure"), (3, "failure"), (50, "note")])
def test_short_runs_are_said(draws, severity):
    verdict = diagnose(tree_of({"mu": normal(1, draws=draws)}))
    assert finding(verdict, "draws").severity == severity


@pytest.mark.parametrize(
    "notes",
    [
        json.dumps(["mu is running away: improper posterior. Give it a proper prior."]),
        "mu is running away: improper posterior. Give it a proper prior.",
        ["mu is running away: improper posterior. Give it a proper prior."],
    ],
)
def test_notes_of_the_sampler_reach_the_verdict(notes):
    verdict = diagnose(tree_of({"mu": normal(1)}, attrs={"notes": notes}))
    found = finding(verdict, "sampler")
    assert found.severity == "failure"
    assert found.message == "mu is running away: improper posterior."
    assert found.advice == "Give it a proper prior."


def test_an_interrupted_run_warns_and_an_empty_list_of_notes_is_silent():
    tree = tree_of({"mu": normal(1)}, attrs={"interrupted": 1, "notes": "[]"})
    assert finding(diagnose(tree), "sampler").severity == "warning"
    assert diagnose(tree_of({"mu": normal(1)}, attrs={"interrupted": 0, "notes": "[]"})).ok
    plain = tree_of({"mu": normal(1)}, attrs={"notes": "seeded by hand"})
    assert finding(diagnose(plain), "sampler").severity == "note"


def test_jitter_does_not_hide_a_constant_in_single_precision():
    jitter = (1 + 1e-7 * rng(1).integers(0, 2, (CHAINS, DRAWS))).astype(np.float32)
    verdict = diagnose(tree_of({"mu": normal(1), "one": jitter}))
    assert list(finding(verdict, "constants").sites) == ["one"]


def test_single_precision_far_from_zero_is_no_constant():
    far = (1e6 + normal(1)).astype("float32")  # in steps of 1/16
    verdict = diagnose(tree_of({"far": far}))
    assert "constants" not in {entry.check for entry in verdict.findings}


def test_labels_that_repeat_are_told_apart():
    theta = normal(1, 3)
    theta[2, :, 1] += 4
    tree = tree_of({"theta": theta})
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(theta_dim_0=["A", "A", "B"])
    verdict = diagnose(tree)
    assert list(verdict.table.index) == ["theta[A]", "theta[A] #2", "theta[B]"]
    assert list(finding(verdict, "R-hat").sites) == ["theta[A] #2"]


def test_a_short_run_that_mixes_is_told_to_run_longer():
    verdict = diagnose(tree_of({"mu": normal(1, chains=1, draws=8)}))
    assert "draws=" in finding(verdict, "Monte Carlo error").advice
