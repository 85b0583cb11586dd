"""Exact inference on published networks: UAI instances and Bayesian networks from files."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files

import numpy as np
import pytest

from probgen.declare.networks.bundled import load_bundled
from probgen.declare.networks.uai import read_uai, read_uai_evidence
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.targets.factors import Factors, condition
from tests.reference_data import find_reference_data, reference_data

LARGE_FROM = 20.5  # log2 of the largest table
QUICK = ("asia", "alarm", "sachs", "insurance")
LONGER = ("child", "water", "hailfinder", "hepar2", "win95pts", "andes", "pigs", "pathfinder")


def verified_instances() -> list:
    """The UAI instances whose reference solutions have been verified; large ones are slow."""
    index = find_reference_data("uai", "INDEX.json")
    if index is None:
        return [pytest.param({}, id="absent")]
    rows = [row for row in json.loads(index.read_text()) if row.get("verified")]
    return [
        pytest.param(
            row,
            id=row["name"],
            marks=[pytest.mark.slow] if row["log2_max_table"] > LARGE_FROM else [],
        )
        for row in rows
    ]


@pytest.mark.parametrize("row", verified_instances())
def test_uai_instance(row):
    folder = reference_data("uai")
    network = read_uai(folder / f"{row['name']}.uai")
    evidence = read_uai_evidence(folder / f"{row['name']}.uai.evid")
    factors = condition(network, evidence)
    tree = calibrate(factors)
    assert tree.log_z == pytest.approx(row["exact_lnZ"], rel=1e-10)
    expected = np.load(folder / "exact_marginals.npz")[row["name"]]
    marginals = tree.marginals()
    for v, place in enumerate(factors.free):
        known = expected[place][: factors.cards[v]]
        np.testing.assert_allclose(marginals.of(v), known, atol=1e-8)


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LONGER)]
)
def test_bayesian_network_agrees_with_pgmpy(name):
    from pgmpy.inference import VariableElimination
    from pgmpy.readwrite import BIFReader

    text = gzip.decompress((files("pgmpy") / f"utils/example_models/{name}.bif.gz").read_bytes())
    oracle = VariableElimination(BIFReader(string=text.decode()).get_model())
    network = load_bundled(name)
    rng = np.random.default_rng(3)
    n = len(network.names)
    draw = calibrate(condition(network)).sample(1, seed=2)[0]
    observed = {int(v): int(draw[v]) for v in rng.permutation(n)[: n // 5]}
    for evidence in ({}, observed):
        factors = condition(network, evidence)
        marginals = calibrate(factors).marginals()
        told = {network.names[v]: network.states[v][s] for v, s in evidence.items()}
        for v in rng.permutation(len(factors.free))[:6]:
            answer = oracle.query([factors.name(v)], evidence=told, show_progress=False)
            states = network.states[factors.free[v]]
            expected = [answer.get_value(**{str(factors.name(v)): s}) for s in states]
            np.testing.assert_allclose(marginals.of(v), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["cancer", "alarm", "hepar2", "munin2"])
def test_evidence_of_a_whole_draw_is_its_probability(name):
    """The log evidence of all variables but some equals the sum over those of log joints."""
    network = load_bundled(name)
    whole = condition(network)
    draw = calibrate(whole).sample(1, seed=1)[0]
    assert calibrate(whole).log_z == pytest.approx(0, abs=2e-3)  # printed digits of the tables
    left = {0, len(draw) - 1}
    factors = condition(network, {v: int(s) for v, s in enumerate(draw) if v not in left})
    cards = [int(network.cards[v]) for v in sorted(left)]
    grid = np.stack(np.meshgrid(*map(np.arange, cards), indexing="ij"), -1)
    total = np.logaddexp.reduce(factors.log_joint(grid).ravel())
    assert calibrate(factors).log_z == pytest.approx(total, rel=1e-12)


def test_log_joint_of_draws_has_the_mean_that_marginals_give():
    """E[log joint] by draws against the sum over factors of expected log tables."""
    factors: Factors = condition(load_bundled("hailfinder"))
    tree = calibrate(factors)
    expected = factors.log_constant
    for table, weights in zip(factors.log_tables, tree.factor_marginals(), strict=True):
        seen = weights > 0
        expected += float((weights[seen] * table[seen]).sum())
    values = factors.log_joint(tree.sample(4000, seed=8))
    assert abs(values.mean() - expected) < 5 * values.std() / np.sqrt(4000)
