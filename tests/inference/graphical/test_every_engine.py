"""Every engine on every awkward network, with and without evidence, against brute force."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import probgen as pg
from probgen.errors import ModelError
from probgen.inference.graphical.clusters.model import is_ferromagnetic
from probgen.inference.graphical.native import library
from tests.inference.graphical.conformance_checks import (
    Engine,
    Found,
    check_annealed,
    check_exact,
    check_lower_bound,
    check_maximum,
    check_most_probable,
    check_propagated,
    check_sampler,
    check_tempered,
    evidence_score,
    z_scores,
)
from tests.inference.graphical.conformance_networks import (
    FORESTS,
    NETWORKS,
    Case,
    cases,
    everything_observed,
    named,
)

ENGINES = {
    "Exact": Engine(pg.Exact(), check_exact, {"chains": 4, "draws": 1000}),
    "MAP": Engine(pg.MAP(), check_maximum),
    "Gibbs": Engine(pg.Gibbs(), check_sampler, {"chains": 64, "draws": 400, "warmup": 100}),
    "Gibbs, one chain": Engine(
        pg.Gibbs(), check_sampler, {"chains": 1, "draws": 10_000, "warmup": 100}
    ),
    "ParallelTempering": Engine(
        pg.ParallelTempering(), check_tempered, {"chains": 64, "draws": 100, "warmup": 60}
    ),
    "AnnealedImportance": Engine(
        pg.AnnealedImportance(betas=30), check_annealed, {"chains": 512, "draws": 2}
    ),
    "SwendsenWang": Engine(
        pg.SwendsenWang(), check_sampler, {"chains": 32, "draws": 400, "warmup": 50}
    ),
    "BeliefPropagation": Engine(pg.BeliefPropagation(), check_propagated),
    "MeanField": Engine(pg.MeanField(), check_lower_bound),
}
RANDOM = ("Gibbs", "Gibbs, one chain", "ParallelTempering", "AnnealedImportance", "SwendsenWang")
SLOW = {("Gibbs, one chain", "many_states")}
"""Sweeps of more than 255 states run in torch, where one chain costs as much as a thousand."""


@cache
def found(engine: str, network: str, number: int) -> Found:
    return ENGINES[engine].run(cases(network)[number])


def serves(engine: str, case: Case) -> bool:
    return engine != "SwendsenWang" or is_ferromagnetic(case.factors)


def check_all(engine: str, network: str) -> None:
    """What holds of an engine on a network, or that the engine says why it does not serve it."""
    for number, case in enumerate(cases(network)):
        if serves(engine, case):
            ENGINES[engine].check(found(engine, network, number), case)
        else:
            with pytest.raises(ModelError, match=r"the factor over \(|of up to 256 states"):
                found(engine, network, number)


@pytest.mark.parametrize(
    ("engine", "network"),
    [
        pytest.param(e, n, marks=[pytest.mark.slow] if (e, n) in SLOW else [])
        for e in ENGINES
        for n in NETWORKS
    ],
)
def test_awkward_network(engine, network):
    check_all(engine, network)


@pytest.mark.parametrize("network", ["grid3x3", "potts", "unary", "no_factor", "single", "star"])
def test_ferromagnets_are_served(network):
    """So that the test above is not content with refusals."""
    assert serves("SwendsenWang", cases(network)[0]) == (network != "star")


@pytest.mark.parametrize("network", ["loop", "functional", "odd_names", "forced", "nothing"])
@pytest.mark.parametrize("engine", ENGINES)
def test_everything_observed(engine, network):
    case = everything_observed(NETWORKS[network])
    seen = ENGINES[engine].run(case)
    assert seen.probabilities.size == 0
    if engine != "SwendsenWang" and not engine.startswith("Gibbs"):
        np.testing.assert_allclose(seen.attrs["log_evidence"], case.answers.log_z, atol=1e-9)
    if seen.states is not None:
        assert seen.states.shape[2] == 0
        np.testing.assert_allclose(seen.log_joint, case.answers.log_z)


@pytest.mark.parametrize("engine", RANDOM)
def test_errors_are_honest(engine):
    """Errors of probabilities and log Z are as large as samplers say: neither more nor less."""
    scores, evidence = [], []
    for network in NETWORKS:
        if network == "many_states":
            continue
        for number, case in enumerate(cases(network)):
            if not serves(engine, case):
                continue
            seen = found(engine, network, number)
            scores.append(z_scores(seen, case))
            if "log_evidence_error" in seen.attrs:
                evidence.append(evidence_score(seen, case))
    spread = np.sqrt(np.mean(np.concatenate(scores) ** 2))
    assert 0.8 < spread < 1.2, f"{engine}: rms error is {spread:.2f} times what it says"
    if evidence:
        spread = np.sqrt(np.mean(np.square(evidence)))
        assert 0.75 < spread < 1.25, f"{engine}: log Z is off by {spread:.2f} times what it says"


@pytest.mark.parametrize("network", NETWORKS)
def test_marginal_maximum(network):
    """The most probable states of two variables alone, the others summed out."""
    for case in cases(network):
        if (0, 1) not in case.answers.pairs:
            continue
        names = tuple(case.factors.name(v) for v in (0, 1))
        seen = Engine(pg.MAP(variables=names), check_most_probable).run(case)
        table = case.answers.pairs[0, 1]
        best = table[tuple(seen.states[0, 0, :2])]
        assert best >= table.max() * (1 - 1e-9)
        np.testing.assert_allclose(np.exp(seen.attrs["log_probability"]), best, rtol=1e-8)


@pytest.mark.parametrize("network", FORESTS)
def test_max_product_is_exact_on_forests(network):
    for case in cases(network):
        engine = Engine(pg.BeliefPropagation(mode="max"), check_most_probable)
        check_most_probable(engine.run(case), case)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["cards", "functions", "grid3x3", "steep_hub", "zero_heavy"])
@pytest.mark.parametrize("engine", ENGINES)
def test_without_compiler(engine, network, monkeypatch):
    """The same answers from the twins in numpy and torch."""
    monkeypatch.setenv("PROBGEN_CXX", "none")
    library.open_library.cache_clear()
    for case in cases(network)[::3]:
        if serves(engine, case):
            shorter = {"draws": 1500} if engine == "Gibbs, one chain" else {}
            seen = ENGINES[engine].run(case, **shorter)
            assert seen.attrs["engine"] != "native"
            ENGINES[engine].check(seen, case)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("engine", RANDOM)
def test_other_seeds(engine, network, seed):
    """As the first test, longer and with other seeds."""
    if (engine, network) in SLOW:
        return
    options = ENGINES[engine].options
    for case in cases(network):
        if serves(engine, case):
            longer = {"draws": options["draws"] * 4} if options["draws"] > 2 else {}
            seen = ENGINES[engine].run(case, seed=seed, **longer)
            ENGINES[engine].check(seen, case)


def test_estimate_from_above_is_consistent_where_there_are_zeros():
    """One variable, of three states one impossible: more particles should close the gap."""
    case = Case(named([3], ((0,), [0.0, 0.0, -np.inf]), title="one zero"), "no evidence", {})
    attrs = ENGINES["AnnealedImportance"].run(case, chains=16_384, draws=0).attrs
    above = attrs["log_evidence_reverse"] - np.log(2)
    assert abs(above) < 5 * attrs["log_evidence_reverse_error"]
