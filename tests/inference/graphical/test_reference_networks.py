"""Published Bayesian networks: Exact against pgmpy, samplers against Exact where there are zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import probgen as pg
from probgen.declare.network import Network
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
    """States of some variables without children that occur together."""
    parents = {v for f in network.factors for v in f.scope if v != f.child}
    leaves = [v for v in range(len(network.names)) if v not in parents]
    few = [v for v in leaves if len(ancestors(network, [v])) <= MOST_ANCESTORS / 2] or leaves
    chosen = np.random.default_rng(seed).choice(few, min(count, len(few)), replace=False)
    drawn = states_of(pg.infer(network, pg.Exact(), chains=1, draws=1, seed=seed, progress=False))
    return {network.names[v]: network.states[v][drawn[v]] for v in chosen}


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
    tree = pg.infer(network, pg.Exact(), data=data, draws=0, seed=1, progress=False)
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
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("pigs", "link", "munin1")),
]  # fmt: skip


def distance(tree: Any, exact: Any) -> tuple[float, float, float]:
    """Largest error of a probability, largest in standard errors, and their root mean square.

    In standard errors only states count that were seen often; of the others the error must be
    that of a rare state.
    """
    found = tree["marginals"].to_dataset()
    known = exact["marginals"]["probability"].values
    off = np.abs(found["probability"].values - known)
    draws = tree.attrs.get("draws", SHORT["draws"]) * SHORT["chains"]
    common = np.minimum(known, 1 - known) * draws > 200
    z = off[common] / np.maximum(found["mcse"].values[common], 1e-9)
    return float(off.max()), float(z.max()), float(np.sqrt(np.mean(z**2)))


@pytest.mark.parametrize("observed", [0, 3])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_networks_with_zeros(name, observed):
    """Gibbs finds its blocks and is right; single sites are wrong, and the verdict says so."""
    network = pg.load_network(name)
    data = evidence_of(network, 5, observed)
    exact = pg.infer(network, pg.Exact(), data=data, draws=0, seed=1, progress=False)
    tree = pg.infer(network, pg.Gibbs(), data=data, seed=1, progress=False, **SHORT)
    method = "Gibbs"
    if not tree.attrs["irreducible"]:
        method = "ParallelTempering"
        tree = pg.infer(
            network, pg.ParallelTempering(), data=data, seed=1, progress=False, **SHORT
        )
    largest, z, spread = distance(tree, exact)
    print(f"{name} {observed} {method}: {largest:.4f} {z:.1f} {spread:.2f}")
    assert z < 5
    assert spread < 1.6
    assert pg.diagnose(tree).trustworthy
    with pytest.warns(ReducibleWarning, match="blocks='auto'"):
        single = pg.infer(
            network, pg.Gibbs(blocks="none"), data=data, seed=1, progress=False, **SHORT
        )
    verdict = pg.diagnose(single)
    print(f"   single: {distance(single, exact)} {np.nanmax(single['marginals']['r_hat'].values)}")
    assert not verdict.trustworthy
    assert "R-hat" in [finding.check for finding in verdict.findings]
