"""Published Bayesian networks: Exact against pgmpy; with zeros, samplers against Exact."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import probgen as pg
from probgen.declare.network import Network
from probgen.errors import TooLargeError
from probgen.inference.graphical.gibbs import ReducibleWarning
from tests.reference_data import reference_data

QUICK = ("asia", "alarm", "survey")
BUNDLED = (
    "andes", "barley", "cancer", "child", "diabetes", "earthquake", "hailfinder", "hepar2",
    "insurance", "link", "mildew", "munin", "munin1", "munin2", "munin3", "munin4", "pathfinder",
    "pigs", "sachs", "water", "win95pts",
)  # fmt: skip
FILES = (
    "alarm.bif", "andes.bif", "asia.bif", "cancer.bif", "child.bif", "earthquake.bif",
    "insurance.bif", "link.bif", "mildew.bif.gz", "munin.bif.gz", "munin1.bif", "munin2.bif.gz",
    "munin4.bif.gz", "pathfinder.bif.gz", "pigs.bif", "sachs.bif", "survey.bif", "water.bif",
)  # fmt: skip
QUERIES = 3
MOST_ANCESTORS = 40
"""pgmpy drops what a query does not depend on, and is slow on what is left."""


def evidence_of(network: Network, seed: int, count: int) -> dict[Any, Any]:
    """States that occur together: of variables without children, or with few ancestors."""
    parents = {v for f in network.factors for v in f.scope if v != f.child}
    n = len(network.names)
    near = [v for v in range(n) if len(ancestors(network, [v])) <= MOST_ANCESTORS / 4]
    leaves = [v for v in range(n) if v not in parents]
    chosen = [v for v in near if v in leaves] or near or leaves
    chosen = np.random.default_rng(seed).choice(chosen, min(count, len(chosen)), replace=False)
    drawn = states_of(exactly(network, {}, chains=1, draws=1))
    return {network.names[v]: network.states[v][drawn[v]] for v in chosen}


def exactly(network: Network, data: dict[Any, Any], **options: int) -> Any:
    """Exact inference; where it needs more memory than there is, the test is skipped."""
    try:
        return pg.infer(
            network, pg.Exact(), data=data, seed=2, progress=False, **({"draws": 0} | options)
        )
    except TooLargeError as error:
        pytest.skip(str(error))


def states_of(tree: Any) -> list[int]:
    posterior = tree["posterior"].to_dataset()
    if "state" in posterior:
        return [int(s) for s in posterior["state"].values[0, 0]]
    return [int(posterior[name].values[0, 0]) for name in posterior.data_vars]


def ancestors(network: Network, variables: list[int]) -> set[int]:
    """These and all they descend from."""
    seen: set[int] = set()
    waiting = list(variables)
    while waiting:
        v = waiting.pop()
        if v not in seen:
            seen.add(v)
            waiting.extend(network.parents(v))
    return seen


def check_against_pgmpy(network: Network, data: dict[Any, Any], oracle: Any, seed: int) -> None:
    """Some marginals to 1e-6; of large networks those that depend on few variables."""
    tree = exactly(network, data)
    table = pg.marginals(tree)["probability"]
    labels = network.labels()
    observed = [network.position[name] for name in data]
    small = len(network.names) <= 2 * MOST_ANCESTORS
    asked = 0
    for v in np.random.default_rng(seed).permutation(len(network.names)):
        wanted = [int(v), *observed]
        if v in observed or (not small and len(ancestors(network, wanted)) > MOST_ANCESTORS):
            continue
        answer = oracle.query([network.names[v]], evidence=data, show_progress=False)
        names = answer.state_names[network.names[v]]
        expected = dict(zip(names, answer.values, strict=True))
        found = table[labels[v]].to_numpy()
        np.testing.assert_allclose(found, [expected[s] for s in network.states[v]], atol=1e-6)
        asked += 1
        if asked == QUERIES:
            return
    assert asked > 0


def check_network(network: Network) -> None:
    from pgmpy.inference import VariableElimination

    oracle = VariableElimination(pg.to_pgmpy(network))
    check_against_pgmpy(network, {}, oracle, 1)
    check_against_pgmpy(network, evidence_of(network, 2, 2), oracle, 2)


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in BUNDLED)]
)
def test_bundled_network_agrees_with_pgmpy(name):
    check_network(pg.load_network(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_network_file_agrees_with_pgmpy(name):
    check_network(pg.load_network(reference_data("bif", name)))


SHORT = {"chains": 64, "draws": 300, "warmup": 100}
DETERMINISTIC = [
    "asia", "win95pts", "hailfinder", "andes",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("pigs", "link")),
]  # fmt: skip


def sampled(network: Network, method: Any, data: dict[Any, Any]) -> Any:
    """A short run; that it may miss states is looked at in its attributes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReducibleWarning)
        return pg.infer(network, method, data=data, seed=1, progress=False, **SHORT)


def distance(tree: Any, exact: Any) -> tuple[float, float]:
    """Of the errors of probabilities in standard errors: the largest, and their rms.

    Rare states are left out, of which a short run knows neither the probability nor the error.
    """
    found = tree["marginals"].to_dataset()
    known = exact["marginals"]["probability"].values
    common = np.minimum(known, 1 - known) * SHORT["draws"] * SHORT["chains"] > 200
    off = np.abs(found["probability"].values - known)[common]
    z = off / np.maximum(found["mcse"].values[common], 1e-9)
    return float(z.max()), float(np.sqrt(np.mean(z**2)))


def is_flagged(tree: Any) -> bool:
    """Whether the verdict is that chains disagree."""
    verdict = pg.diagnose(tree)
    return not verdict.trustworthy and "R-hat" in [f.check for f in verdict.findings]


@pytest.mark.parametrize("observed", [0, 3])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_networks_with_zeros(name, observed):
    """Gibbs finds its blocks and is right, else tempering is; single sites are wrong, and told."""
    network = pg.load_network(name)
    data = evidence_of(network, 5, observed)
    exact = exactly(network, data)
    tree = sampled(network, pg.Gibbs(), data)
    if not tree.attrs["irreducible"]:
        tree = sampled(network, pg.ParallelTempering(), data)
    worst, spread = distance(tree, exact)
    assert worst < 5
    assert spread < 1.6
    assert pg.diagnose(tree).trustworthy
    assert is_flagged(sampled(network, pg.Gibbs(blocks="none"), data))


@pytest.mark.parametrize("name", ["asia", "win95pts", "hailfinder", "andes"])
def test_single_sites_are_announced_as_doubtful(name):
    """Before sampling, not only by what R-hat makes of the draws."""
    with pytest.warns(ReducibleWarning, match="blocks='auto'"):
        pg.infer(pg.load_network(name), pg.Gibbs(blocks="none"), draws=2, seed=1, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pg.Gibbs(), pg.ParallelTempering()])
def test_a_network_that_defeats_all_samplers_is_flagged(method):
    """Munin1: zeros and 2e8 table entries. Wrong numbers may not look right."""
    network = pg.load_network("munin1")
    tree = sampled(network, method, {})
    worst, spread = distance(tree, exactly(network, {}))
    assert is_flagged(tree) or (worst < 5 and spread < 1.6)
