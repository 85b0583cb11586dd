"""Verdicts on networks: agreement of chains, rough numbers, approximations, pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from probgen.diagnose import diagnose, save_picture
from probgen.results.marginals import Marginals
from probgen.results.network_tree import network_tree


def result(
    p=0.3, mcse=0.001, r_hat=1.0, ess=4000.0, draws=200, seed=0, sampled=True, shift=0.0, **attrs
):
    """A tree of two binary variables; `shift` moves the log joint of half of the chains."""
    rng = np.random.default_rng(seed)
    probabilities = np.array([1 - p, p, 0.5, 0.5])
    states = (rng.random((8, draws, 2)) < [p, 0.5]).astype(np.uint8)
    log_joint = rng.normal(size=(8, draws))
    log_joint[:4] += shift
    full = Marginals(
        np.array([0, 2, 4]), probabilities, np.full(4, mcse), np.full(4, r_hat), np.full(4, ess)
    )
    bare = Marginals(np.array([0, 2, 4]), probabilities)
    return network_tree(
        ["a", "b"], [("no", "yes")] * 2, full if sampled else bare, states if sampled else None,
        {"log_joint": log_joint} if sampled else {}, {"c": (0, "no")},
        {"method": "Gibbs", "model": "two", **attrs},
    )  # fmt: skip


def checks(tree) -> dict[str, str]:
    return {finding.check: finding.severity for finding in diagnose(tree).findings}


def test_a_good_run():
    verdict = diagnose(result(log_evidence=-3.25, log_evidence_error=0.01))
    assert verdict.ok
    assert verdict.table.loc["a=yes", "probability"] == pytest.approx(0.3)
    text = str(verdict)
    assert "no 0.7000  yes 0.3000" in text
    assert "8 chains x 200 draws" in text
    assert "Log evidence -3.25 +- 0.01 nats" in text


def test_chains_that_disagree_fail():
    assert checks(result(r_hat=1.3))["R-hat"] == "failure"
    assert checks(result(r_hat=np.inf))["R-hat"] == "failure"
    assert "R-hat" not in checks(result(r_hat=np.nan))
    assert checks(result(shift=5.0)) == {"R-hat of the log joint": "failure"}


def test_few_draws_and_large_errors_are_said():
    assert checks(result(ess=50.0))["ESS"] == "failure"
    assert checks(result(ess=200.0))["ESS"] == "warning"
    assert checks(result(mcse=0.02)) == {"Monte Carlo error": "warning"}


def test_stuck_chains_are_named():
    tree = result()
    for name in ("a", "b"):
        tree["posterior"][name].values[2] = 1
    finding = next(f for f in diagnose(tree).findings if f.check == "stuck chains")
    assert finding.severity == "failure"
    assert "chain 2" in finding.message


def test_a_posterior_in_one_state_may_stand_still():
    tree = result(p=0.0)
    tree["marginals"]["probability"].values[:] = [1, 0, 1, 0]
    for name in ("a", "b"):
        tree["posterior"][name].values[:] = 0
    assert checks(tree) == {"unseen states": "note"}


def test_engines_that_do_not_sample():
    exact = diagnose(result(sampled=False, method="Exact", log_evidence=-1.0))
    assert exact.ok
    assert "chain" not in exact.basis
    loopy = result(sampled=False, converged=False, log_evidence_is="Bethe approximation")
    assert checks(loopy) == {"convergence": "failure"}
    assert checks(result(sampled=False, converged=True)) == {}


def test_notes_of_the_engine():
    tree = result(notes=["Draws were thinned. Every 4th sweep is kept."])
    assert checks(tree) == {"sampler": "note"}


def test_terminal_rendering():
    out = io.StringIO()
    Console(file=out, width=120).print(diagnose(result(r_hat=1.2)))
    assert "probability of each state" in out.getvalue()
    assert "Do not trust" in out.getvalue()


def test_many_variables_are_cut_short():
    n = 300
    marginals = Marginals(
        np.arange(0, 2 * n + 1, 2), np.full(2 * n, 0.5), np.full(2 * n, 1e-3),
        np.where(np.arange(2 * n) == 599, 1.5, 1.0), np.full(2 * n, 5e3),
    )  # fmt: skip
    tree = network_tree(
        [f"v{k}" for k in range(n)], [(0, 1)] * n, marginals, None, {}, {}, {"method": "Gibbs"}
    )
    rows = list(diagnose(tree).rows())
    assert len(rows) < 60
    assert "v299" in [row.name for row in rows]  # the worst is shown
    assert "more variables" in rows[-1].name


@pytest.mark.parametrize("sampled", [True, False])
def test_picture(tmp_path, sampled):
    path = save_picture(result(sampled=sampled), tmp_path / "network.png")
    assert path.stat().st_size > 10_000


def test_approximations_are_not_passed_as_exact():
    for method in ("BeliefPropagation", "MeanField"):
        assert checks(result(sampled=False, method=method)) == {"approximation": "warning"}
    assert checks(result(sampled=False, method="BeliefPropagation", exact=True)) == {}


def test_runs_that_are_too_small_are_not_trusted():
    assert checks(result(draws=0, mcse=np.nan))["draws"] == "failure"
    assert checks(result(draws=1, mcse=np.nan))["draws"] == "failure"
    assert checks(result(draws=50))["draws"] == "note"


def test_the_cause_of_disagreement_suits_the_run():
    def cause(**options):
        findings = diagnose(result(**options)).findings
        return next(f.cause for f in findings if f.check == "R-hat")

    assert "caught" in cause(r_hat=1.5)
    assert "too short" in cause(r_hat=1.5, draws=20)
    assert "slowly" in cause(r_hat=1.02)


def test_grave_notes_weigh():
    assert checks(result(notes=["Zeros may trap updates."])) == {"sampler": "warning"}
    said = result(sampled=False, converged=False, notes=["It did not converge: after 3 sweeps."])
    assert checks(said) == {"sampler": "failure"}
    assert checks(result(interrupted=True)) == {"sampler": "warning"}


def test_only_columns_that_are_there_are_printed():
    exact = str(diagnose(result(sampled=False, log_evidence=1e-13)))
    assert "mcse" not in exact
    assert "Log evidence 0 nats" in exact
    assert diagnose(result(r_hat=np.nan)).headings() == [
        "probability of each state",
        "mcse",
        "ess",
    ]
