"""Exact inference on the verified UAI 2014 instances: files in, reference solutions out."""

from __future__ import annotations

import json

import numpy as np
import pytest

import probgen as pg
from probgen.declare.networks.uai import read_uai_evidence
from tests.reference_data import find_reference_data, reference_data

LONG = ("CSP_13", "DBN_12", "DBN_13")
"""Those that take seconds; all others together take less than ten."""


def verified() -> list:
    """The instances whose solutions are verified; the longest runs are slow."""
    index = find_reference_data("uai", "INDEX.json")
    if index is None:
        return [pytest.param({}, id="absent")]
    rows = [row for row in json.loads(index.read_text()) if row.get("verified")]
    return [
        pytest.param(
            row,
            id=row["name"],
            marks=[pytest.mark.slow] if row["name"] in LONG else [],
        )
        for row in rows
    ]


@pytest.mark.parametrize("row", verified())
def test_exact_marginals_and_log_partition_function(row):
    folder = reference_data("uai")
    path = folder / f"{row['name']}.uai"
    network = pg.load_network(path)
    evidence = read_uai_evidence(path.with_suffix(".uai.evid"))
    data = {network.names[v]: network.states[v][s] for v, s in evidence.items()}
    tree = pg.infer(network, pg.Exact(), data=data, draws=0, seed=1, progress=False)
    assert tree.attrs["log_evidence"] == pytest.approx(row["exact_lnZ"], rel=1e-9)
    with np.load(folder / "exact_marginals.npz") as solutions:
        table = solutions[row["name"]]
    free = [v for v in range(len(network.names)) if v not in evidence]
    expected = np.concatenate([table[v, : network.cards[v]] for v in free])
    found = tree["marginals"]["probability"].values
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_all_instances_are_there():
    reference_data("uai")
    assert len(verified()) == 34
