"""Posteriors of posteriordb, sampled by `infer`, against their reference draws.

Means, standard deviations and quantiles agree within their Monte Carlo errors, and the chains
with each other; a wrong program, or one whose chains disagree, does not pass.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest

from probgen import models
from tests.conformance.database import Entry
from tests.conformance.outcome import Settings, run
from tests.conformance.points import database
from tests.conformance.reference import compare, estimates, moments
from tests.conformance.table import bound_of, notes, summary, table
from tests.conformance.target import Target, from_database, from_zoo

QUICK = (
    "eight_schools-eight_schools_noncentered",
    "kidiq-kidscore_momhs",
    "sblri-blr",
)


def target(name: str) -> Target:
    entries = {entry.name: entry for entry in database().entries()}
    found = from_database(database(), entries[name])
    assert found is not None
    return found


def test_quick_posteriors_agree():
    outcomes = [run(target(name), Settings(draws=1000)) for name in QUICK]
    limit = bound_of(outcomes)
    assert {outcome.name: outcome.verdict(limit) for outcome in outcomes} == dict.fromkeys(
        QUICK, "agrees"
    )
    assert table(outcomes).row_count == len(QUICK)
    assert summary(outcomes, 1.0).startswith("3 of 3 pass")


@pytest.mark.slow
def test_all_posteriors_with_a_reference_agree():
    entries: list[Entry] = [entry for entry in database().entries() if entry.has_reference]
    targets = [from_database(database(), entry) for entry in entries]
    outcomes = [run(one, Settings()) for one in targets if one is not None]
    assert len(outcomes) == len(entries)
    limit = bound_of(outcomes)
    assert {o.name for o in outcomes if o.verdict(limit) != "agrees"} == set()


def test_a_wrong_program_is_found_out():
    """Here the prior of `beta` is a hundred times too narrow."""

    def narrow(x, y):
        beta = pyro.sample("beta", dist.Normal(0.0, 0.1).expand([x.shape[1]]).to_event(1))
        sigma = pyro.sample("sigma", dist.HalfNormal(10.0))
        with pyro.plate("observation", len(y)):
            pyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)

    outcome = run(replace(target("sblri-blr"), program=narrow), Settings(draws=500))
    assert outcome.verdict(bound_of([outcome])) == "DISAGREES"
    assert "beta" in notes([outcome])[0]


def two_modes():
    x = pyro.sample("x", dist.Normal(0.0, 10.0))
    pyro.factor("modes", -20.0 * (x.square() - 9.0).square())


def bare(program, explained="") -> Target:
    return Target("bare", program, data=dict, reference=dict, explained=explained)


def test_chains_that_disagree_need_an_explanation():
    settings = Settings(draws=200, warmup=200)
    assert run(bare(two_modes), settings).verdict(9.0) == "R-HAT"
    told = run(bare(two_modes, "two modes"), settings)
    assert told.verdict(9.0) == "explained"
    assert notes([told])[0].endswith("two modes")


def test_a_program_that_fails_is_an_outcome():
    def broken():
        raise ValueError("no such county")

    outcome = run(bare(broken), Settings())
    assert outcome.verdict(9.0) == "ERROR"
    assert not outcome.passes(9.0)
    assert "no such county" in notes([outcome])[0]


def test_an_explanation_does_not_excuse_a_reference():
    reference = {"x": {"mean": (0.0, 0.1), "sd": (3.0, 0.1)}}
    two = replace(bare(two_modes, "two modes"), reference=lambda: reference)
    outcome = run(two, Settings(draws=200, warmup=200))
    assert outcome.verdict(9.0) == "R-HAT"


def test_z_scores_of_the_same_distribution_are_standard_normal():
    import xarray as xr

    rng = np.random.default_rng(1)
    scores: list[float] = []
    for _ in range(60):
        ours, theirs = rng.normal(size=(4, 500)), rng.normal(size=(10, 300))
        tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), ours)})})
        scores += compare(tree, {"x": estimates(theirs)}, {})[0].z_scores.values()
    assert 0.85 < np.sqrt(np.mean(np.square(scores))) < 1.15
    assert np.abs(scores).max() < 4.0


def test_zoo_models_with_known_moments_are_targets():
    targets = {target.name: target for target in from_zoo()}
    tau = models.load("eight_schools").reference["tau"]
    assert targets["zoo/eight_schools"].reference()["tau"] == moments(*tau)
    assert not {"zoo/banana", "zoo/funnel"} & targets.keys()  # they show how sampling fails
