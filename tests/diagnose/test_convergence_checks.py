"""R-hat, ESS and Monte Carlo error: each fires on its fault, names it, and advises."""

import numpy as np
from synthetic_runs import CHAINS, DRAWS, autoregressive, good_stats, normal, tree_of

from probgen.diagnose import Finding, diagnose


def finding(verdict, check: str) -> Finding:
    matches = [entry for entry in verdict.findings if entry.check == check]
    assert len(matches) == 1, [str(entry) for entry in verdict.findings]
    return matches[0]


def test_a_shifted_chain_fails_r_hat_and_is_named():
    theta = normal(1, 3)
    theta[2, :, 1] += 4
    verdict = diagnose(tree_of({"mu": normal(2), "theta": theta}))
    found = finding(verdict, "R-hat")
    assert found.severity == "failure"
    assert list(found.sites) == ["theta[1]"]
    assert found.sites["theta[1]"] > 1.2
    assert "chain 2 sits elsewhere" in found.cause
    assert "several modes" in found.cause


def test_a_chain_at_lower_density_has_not_arrived():
    mu, stats = normal(1), good_stats()
    mu[3] += 8
    stats["lp"][3] -= 50
    found = finding(diagnose(tree_of({"mu": mu}, stats)), "R-hat")
    assert "log density there is lower by 5" in found.cause
    assert "longer warm-up" in found.advice


def test_two_chains_against_two_are_two_modes():
    mu = normal(1)
    mu[[0, 3]] += 8
    found = finding(diagnose(tree_of({"mu": mu})), "R-hat")
    assert "chains 0 and 3 sit elsewhere" in found.cause or "chains 1 and 2" in found.cause
    assert "do not average" in found.advice


def test_a_drift_is_seen_even_in_a_lone_chain():
    mu = normal(1, chains=1)
    mu[0] += np.linspace(0, 3, DRAWS)
    verdict = diagnose(tree_of({"mu": mu}))
    found = finding(verdict, "R-hat")
    assert "still drifts along `mu`" in found.cause
    assert "warm-up" in found.advice


def test_a_few_of_many_slightly_over_are_a_warning_only():
    theta = normal(1, 100)
    theta[2, :, 7] += 0.35  # R-hat a little above 1.01
    found = finding(diagnose(tree_of({"theta": theta})), "R-hat")
    assert 1.01 < found.sites["theta[7]"] < 1.05
    assert found.severity == "warning"
    lone = finding(diagnose(tree_of({"theta": theta[..., 7]})), "R-hat")
    assert lone.severity == "failure"


def test_slow_mixing_fails_ess_and_says_how_much_longer():
    slow = autoregressive(0.95)
    verdict = diagnose(tree_of({"fast": normal(1), "slow": slow}))
    found = finding(verdict, "bulk ESS")
    assert found.severity == "failure"
    assert list(found.sites) == ["slow"]
    # an AR(1) with correlation r has n (1 - r) / (1 + r) effective draws, here 103
    assert 50 < found.sites["slow"] < 200
    assert "run longer: draws=" in found.advice
    draws = int(found.advice.split("draws=")[1].split(",")[0])
    assert 1.2 * 400 / found.sites["slow"] * DRAWS <= draws < 3 * 400 / found.sites["slow"] * DRAWS


def test_hopelessly_slow_mixing_asks_for_another_form():
    found = finding(diagnose(tree_of({"slow": autoregressive(0.997, seed=3)})), "bulk ESS")
    assert "draws=" not in found.advice


def test_slow_mixing_along_a_correlation_asks_for_a_dense_metric():
    slow = autoregressive(0.95)
    twin = slow + 0.05 * normal(5)
    found = finding(diagnose(tree_of({"alpha": slow, "beta": twin})), "bulk ESS")
    assert "`alpha`" in found.cause
    assert "`beta`" in found.cause
    assert 'metric="dense"' in found.advice


def test_tail_ess_has_its_own_check():
    # mixes at once in the middle, sticks in its upper tail for a long time
    values = normal(4)
    for chain in range(CHAINS):
        values[chain, 200 * chain : 200 * chain + 60] = 4 + 0.1 * values[chain, :60]
    verdict = diagnose(tree_of({"x": values}))
    assert "x" in finding(verdict, "tail ESS").sites


def test_monte_carlo_error_is_a_share_of_the_sd():
    verdict = diagnose(tree_of({"slow": 1000 + 5 * autoregressive(0.97, seed=9)}))
    found = finding(verdict, "Monte Carlo error")
    assert found.severity == "warning"
    row = verdict.table.loc["slow"]
    assert np.isclose(found.sites["slow"], row["mcse_mean"] / row["sd"])
    assert "draws=" in found.advice


def test_correlation_advice_fits_the_method():
    slow = autoregressive(0.95)
    sites = {"alpha": slow, "beta": slow + 0.05 * normal(5)}

    def advice(method: str, settings: str) -> str:
        attrs = {"inference_library": "probgen", "method": method, "method_settings": settings}
        return finding(diagnose(tree_of(sites, attrs=attrs)), "bulk ESS").advice

    assert 'MAMS(metric="dense")' in advice("MAMS", "MAMS(metric='low_rank')")
    assert 'NUTS(metric="dense")' in advice("ChEES", "ChEES(metric='low_rank')")
    assert "dense" not in advice("NUTS", "NUTS(metric='dense')")


def test_sampled_sites_speak_before_the_states_that_follow_them():
    mu = normal(1)
    mu[0] += 20.0
    state = np.zeros((CHAINS, DRAWS), dtype=int)
    state[0] = 1
    verdict = diagnose(tree_of({"mu": mu, "state": state}, sampled=("mu",)))
    found = finding(verdict, "R-hat")
    assert next(iter(found.sites)) == "mu"
    assert "several modes" in found.cause
    assert np.isinf(verdict.table.loc["state", "r_hat"])
    assert "inf" in found.message


def test_chains_apart_along_a_ridge_are_no_modes():
    a = autoregressive(0.95)
    a[0] += 8.0
    found = finding(diagnose(tree_of({"a": a, "b": -a + 0.01 * normal(3)})), "R-hat")
    assert "ridge" in found.cause
    assert "modes" not in found.cause


def test_a_site_that_runs_away_is_no_second_mode():
    mu = normal(1)
    mu[0] += 20.0
    notes = "mu reached 1e+12: the posterior may be improper there. Give it a proper prior."
    found = finding(diagnose(tree_of({"mu": mu}, attrs={"notes": notes})), "R-hat")
    assert "runs away" in found.cause
