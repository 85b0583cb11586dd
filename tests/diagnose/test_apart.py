"""Chains that are stranded, in different modes, or only slow: told from one another."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_runs import autoregressive, good_stats, normal, tree_of

from probgen.diagnose import Finding, Verdict, diagnose
from probgen.errors import OptionError


def finding(verdict: Verdict, check: str) -> Finding | None:
    matches = [entry for entry in verdict.findings if entry.check == check]
    return matches[0] if matches else None


def gaussian_lp(theta: np.ndarray) -> np.ndarray:
    return -0.5 * np.square(theta).sum(axis=2)


def run(theta: np.ndarray, lp: np.ndarray) -> Verdict:
    return diagnose(tree_of({"theta": theta}, good_stats() | {"lp": lp}))


def test_a_chain_far_below_the_others_is_stranded():
    theta = normal(1, 20)
    lp = gaussian_lp(theta)
    lp[2] -= 200.0
    theta[2] += 3
    verdict = run(theta, lp)
    found = finding(verdict, "stranded chains")
    assert found is not None
    assert found.severity == "failure"
    assert "chain 2 has a mean log density" in found.message
    assert "below that of the others" in found.message
    assert "20 dimensions" in found.message
    assert 'init="pathfinder"' in found.advice
    assert list(found.sites) == ["chain 2"]
    assert finding(verdict, "several modes") is None


@pytest.mark.parametrize("dimensions", [1, 20, 400])
def test_what_dimension_explains_is_not_stranded(dimensions: int):
    """The log density spreads by sqrt(d / 2); slow chains make their means differ by that."""
    theta = normal(1, dimensions)
    lp = gaussian_lp(theta)
    lp[1] -= 2.5 * np.sqrt(dimensions / 2)
    assert finding(run(theta, lp), "stranded chains") is None


def test_most_chains_stranded_or_one_in_a_spike():
    theta = normal(1, 5)
    lp = gaussian_lp(theta)
    lp[3] += 100.0
    found = finding(run(theta, lp), "stranded chains")
    assert found is not None
    assert "chain 3" in found.message
    assert "above" in found.message
    assert "neck of a funnel" in found.cause


def test_without_a_log_density_nothing_is_said_of_it():
    stats = good_stats()
    del stats["lp"]
    verdict = diagnose(tree_of({"mu": normal(1)}, stats))
    assert finding(verdict, "stranded chains") is None


def test_chains_that_mix_apart_are_in_several_modes():
    mu, other = normal(1), normal(2)
    mu[[0, 3]] += 8
    other[[0, 3]] -= 5
    found = finding(diagnose(tree_of({"mu": mu, "other": other})), "several modes")
    assert found is not None
    assert found.severity == "failure"
    assert "each chain mixes where it is" in found.message
    assert "also apart in `other`" in found.message
    assert "do not average" in found.advice


def test_slow_chains_are_not_called_modes():
    slow = autoregressive(0.998, seed=5)
    slow += np.array([-2.0, 0.0, 0.0, 2.0])[:, None]
    verdict = diagnose(tree_of({"slow": slow}))
    assert finding(verdict, "R-hat") is not None
    assert finding(verdict, "several modes") is None


def test_exchanged_components_are_told():
    theta = 0.1 * normal(1, 2) + np.array([-3.0, 2.0])
    theta[1] = theta[1, :, ::-1]
    found = finding(diagnose(tree_of({"theta": theta})), "several modes")
    assert found is not None
    assert "label switching" in found.cause
    assert "ordered" in found.advice


def test_mirror_images_are_told():
    loading = 0.1 * normal(1, 3) + np.array([1.0, 0.5, 2.0])
    loading[[0, 2]] *= -1
    found = finding(diagnose(tree_of({"loading": loading})), "several modes")
    assert found is not None
    assert "other sign" in found.cause
    # two modes that are no mirror images
    assert (
        "sign" not in finding(diagnose(tree_of({"loading": loading + 4.0})), "several modes").cause
    )  # type: ignore[union-attr]


def test_a_constant_chain_is_stuck():
    mu = normal(1)
    mu[2] = 0.7
    verdict = diagnose(tree_of({"mu": mu, "theta": np.tile(mu[..., None], 3)}))
    found = finding(verdict, "stuck chains")
    assert found is not None
    assert "chain 2" in found.message
    assert finding(verdict, "several modes") is None


def superchain_run(shift: float, groups: int = 8, each: int = 16, draws: int = 20) -> np.ndarray:
    """Slow chains of one start for each group, moved away from the truth by what is left of it."""
    values = normal(3, chains=groups * each, draws=draws)
    for draw in range(1, draws):
        values[:, draw] = 0.9 * values[:, draw - 1] + np.sqrt(0.19) * values[:, draw]
    starts = np.linspace(-shift, shift, groups)
    return values + np.repeat(starts, each)[:, None]


def test_nested_r_hat_judges_many_short_chains():
    """Twenty slow draws say little; sixteen chains say whether their start is forgotten."""
    ids = np.repeat(np.arange(8), 16)
    good = diagnose(tree_of({"mu": superchain_run(0.0)}), superchains=ids)
    assert finding(good, "R-hat") is None
    assert good.table.loc["mu", "r_hat"] < 1.05
    bad = diagnose(tree_of({"mu": superchain_run(0.8)}), superchains=8)
    found = finding(bad, "R-hat")
    assert found is not None
    assert found.severity == "failure"
    assert "nested, between 8 superchains" in found.message
    # without the groups, R-hat of so short chains is high though all is well
    plain = diagnose(tree_of({"mu": superchain_run(0.0)})).table.loc["mu", "r_hat"]
    assert plain > 1.2


def test_superchains_are_read_from_a_coordinate_and_checked():
    tree = tree_of({"mu": superchain_run(0.8)})
    assert "superchains" not in str(diagnose(tree))
    ids = np.repeat(np.arange(8), 16)
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(superchain=("chain", ids))
    assert "8 superchains" in str(diagnose(tree))
    for wrong in (3, 1, [0] * 127 + [1], [0, 1]):
        with pytest.raises(OptionError, match="superchains"):
            diagnose(tree, superchains=wrong)


def neck(slow: float, seed: int = 0) -> dict[str, np.ndarray]:
    """A centred hierarchy whose scale mixes slowly, far too few visits to the neck."""
    log_tau = autoregressive(slow, seed)
    tau = np.exp(log_tau)
    return {"tau": tau, "theta": tau[..., None] * normal(seed + 5, 8)}


def test_a_funnel_is_seen_without_a_divergence():
    found = finding(diagnose(tree_of(neck(0.85)), ess_per_chain=20), "funnel")
    assert found is not None
    assert "`theta` narrows as `tau` shrinks" in found.message
    assert "LocScaleReparam" in found.advice
    # a funnel that is crossed often, and a slow scale that narrows nothing
    assert finding(diagnose(tree_of(neck(0.0))), "funnel") is None
    slow = neck(0.85) | {"theta": normal(5, 8)}
    assert finding(diagnose(tree_of(slow), ess_per_chain=20), "funnel") is None
