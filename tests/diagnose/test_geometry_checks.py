"""Divergences and E-BFMI: where the trouble is, and which form would cure it."""

import numpy as np
import pytest
from synthetic_runs import CHAINS, DRAWS, funnel, good_stats, normal, rng, tree_of
from test_convergence_checks import finding

from probgen.diagnose import diagnose


def test_divergences_in_a_funnel_name_the_scale_and_the_site():
    posterior, diverging = funnel()
    found = finding(diagnose(tree_of(posterior, diverging=diverging)), "divergences")
    assert found.severity == "failure"
    assert next(iter(found.sites)) == "tau"
    assert found.sites["tau"] < 0.1
    assert f"{diverging.sum()} divergent draws of 4000" in found.message
    assert "small `tau`" in found.cause
    assert "write `theta` in non-centred form, given `tau`" in found.advice


def test_a_negative_scale_is_found_at_its_large_values():
    posterior, diverging = funnel()
    posterior["narrowness"] = -np.log(posterior.pop("tau"))
    found = finding(diagnose(tree_of(posterior, diverging=diverging)), "divergences")
    assert "large `narrowness`" in found.cause
    assert "`theta`" in found.advice


def test_a_scale_and_its_logarithm_are_named_once():
    posterior, diverging = funnel()
    posterior["tau_log"] = np.log(posterior["tau"])
    found = finding(diagnose(tree_of(posterior, diverging=diverging)), "divergences")
    assert len({"tau", "tau_log"} & set(found.sites)) == 1
    assert "write `theta` in non-centred form" in found.advice


def test_scalar_sites_make_a_funnel_too():
    v = rng(1).normal(0, 3, (CHAINS, DRAWS))
    x = np.exp(v / 2) * rng(2).normal(size=v.shape)
    found = finding(diagnose(tree_of({"v": v, "x": x}, diverging=v < -5)), "divergences")
    assert "write `x` in non-centred form, given `v`" in found.advice


def test_deterministic_sites_are_not_to_be_rewritten():
    posterior, diverging = funnel()
    posterior["theta_raw"] = (posterior["theta"] - posterior["mu"][..., None]) / posterior["tau"][
        ..., None
    ]
    tree = tree_of(posterior, diverging=diverging, sampled=("mu", "tau", "theta_raw"))
    found = finding(diagnose(tree), "divergences")
    assert "`tau`" in found.cause
    assert "`theta`" not in found.cause + found.advice
    assert "target_accept" in found.advice


@pytest.mark.parametrize(
    ("target", "advice"),
    [(0.8, "0.95 (now 0.8)"), (0.95, "0.99 (now 0.95)"), (0.995, "used up"), (None, "to 0.95;")],
)
def test_scattered_divergences_ask_for_smaller_steps(target, advice):
    diverging = rng(5).random((CHAINS, DRAWS)) < 0.005
    attrs = {} if target is None else {"method_settings": f"NUTS(target_accept={target}, x=1)"}
    found = finding(
        diagnose(tree_of({"mu": normal(1)}, attrs=attrs, diverging=diverging)), "divergences"
    )
    assert found.severity == "warning"
    assert not found.sites
    assert "not tied to a region" in found.cause
    assert advice in found.advice


def test_many_scattered_divergences_fail():
    diverging = rng(5).random((CHAINS, DRAWS)) < 0.05
    found = finding(diagnose(tree_of({"mu": normal(1)}, diverging=diverging)), "divergences")
    assert found.severity == "failure"


def test_one_divergence_is_too_few_to_place():
    diverging = np.zeros((CHAINS, DRAWS), dtype=bool)
    diverging[1, 17] = True
    found = finding(diagnose(tree_of({"mu": normal(1)}, diverging=diverging)), "divergences")
    assert "1 divergent draw of 4000 (0.025 %)" in found.message
    assert "too few to tell" in found.cause


def test_divergences_of_one_chain_are_said():
    diverging = np.zeros((CHAINS, DRAWS), dtype=bool)
    diverging[2, ::40] = True
    found = finding(diagnose(tree_of({"mu": normal(1)}, diverging=diverging)), "divergences")
    assert "nearly all in chain 2" in found.message


def walk(step: float, seed: int) -> np.ndarray:
    return 50 + np.cumsum(rng(seed).normal(0, step, DRAWS))


def test_low_bfmi_names_chains_and_leading_parameter():
    stats = good_stats()
    stats["energy"][1] = walk(1.0, 1)
    stats["energy"][3] = walk(1.0, 2)
    tau = normal(1)
    tau[[1, 3]] = (stats["energy"][[1, 3]] - 50) / stats["energy"][[1, 3]].std()
    found = finding(diagnose(tree_of({"tau": tau, "mu": normal(2)}, stats)), "E-BFMI")
    assert set(found.sites) == {"chain 1", "chain 3"}
    assert max(found.sites.values()) < 0.3
    assert found.severity == "failure"
    assert "in chains 1 and 3" in found.message


def test_energy_that_follows_a_scale_leads_to_the_funnel():
    posterior, _ = funnel()
    stats = good_stats()
    order = np.argsort(np.argsort(posterior["tau"], axis=1), axis=1)
    slow = np.sort(np.cumsum(rng(3).normal(size=(CHAINS, DRAWS)), axis=1), axis=1)
    stats["energy"] = np.take_along_axis(slow, order, axis=1)
    # make draws slow in tau, so that the energy is slow as well
    path = np.argsort(np.argsort(np.cumsum(rng(4).normal(size=(CHAINS, DRAWS)), 1), 1), 1)
    by_tau = np.argsort(posterior["tau"], axis=1)
    picks = np.take_along_axis(by_tau, path, axis=1)
    posterior = {
        name: np.take_along_axis(v, picks if v.ndim == 2 else picks[..., None], axis=1)
        for name, v in posterior.items()
    }
    stats["energy"] = np.take_along_axis(stats["energy"], picks, axis=1)
    found = finding(diagnose(tree_of(posterior, stats)), "E-BFMI")
    assert "goes with `tau`" in found.cause
    assert "write `theta` in non-centred form, given `tau`" in found.advice


def test_healthy_energy_is_silent():
    assert diagnose(tree_of({"mu": normal(1)})).ok


def test_energies_that_are_not_finite_do_not_stop_the_diagnosis():
    stats = good_stats()
    stats["energy"][0, 0] = np.inf
    assert diagnose(tree_of({"mu": normal(1)}, stats)).trustworthy


def test_a_caught_chain_is_its_own_trouble_not_a_funnel():
    posterior, _ = funnel()
    posterior["tau"][3] = 0.01 * posterior["tau"][3]
    diverging = np.zeros((CHAINS, DRAWS), dtype=bool)
    diverging[3] = rng(1).random(DRAWS) < 0.9
    found = finding(diagnose(tree_of(posterior, diverging=diverging)), "divergences")
    assert found.severity == "failure"
    assert list(found.sites) == ["chain 3"]
    assert "chain 3 diverges in" in found.cause
    assert "non-centred" not in found.advice
