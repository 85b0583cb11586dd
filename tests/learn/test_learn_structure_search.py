"""Searches for one structure: what they find, that they repeat it, and leave pgmpy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from probgen.errors import DataError, OptionError
from probgen.learn.columns import read_table
from probgen.learn.fit import Fit, fit_network
from probgen.learn.networks.bayesian_estimate import BayesianEstimate
from probgen.learn.networks.pgmpy_search import parents_in, perturbed
from probgen.learn.networks.scores import FamilyScores, structure_score
from probgen.learn.networks.structure_search import GES, PC, HillClimb
from tests.inference.graphical.awkward import bayesian
from tests.learn.all_dags import all_dags
from tests.learn.samples import draw_rows
from tests.reference_data import reference_data

METHODS = [HillClimb(), HillClimb(score="bdeu"), GES(), PC()]
IDS = ["hill_climb_bic", "hill_climb_bdeu", "ges", "pc"]
TRUTH = bayesian([2, 3, 2, 3], [(), (), (0, 1), (2,)], 26, "collider")
DATA = draw_rows(TRUTH, 4000, 2)


def edges_of(fit: Fit) -> set[tuple[str, str]]:
    edge = fit.tree["structure"]["edge"]
    names = list(edge.coords["parent"].values)
    return {(str(names[u]), str(names[v])) for u, v in zip(*np.nonzero(edge.values), strict=True)}


def structural_hamming_distance(first: set, second: set) -> int:
    """Pairs of nodes whose edge differs (absent, forward, backward)."""
    pairs = {tuple(sorted(edge)) for edge in first | second}
    return sum(
        ((u, v) in first, (v, u) in first) != ((u, v) in second, (v, u) in second)
        for u, v in pairs
    )


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_the_class_of_the_true_graph_is_found(method):
    """No other graph is Markov-equivalent to it."""
    fit = fit_network(None, method, DATA, seed=1)
    assert edges_of(fit) == {("x0", "x2"), ("x1", "x2"), ("x2", "x3")}
    assert fit.network.kind == "bayesian"
    parents = [list(fit.network.parents(v)) for v in range(4)]
    assert [sorted(p) for p in parents] == [[], [], [0, 1], [2]]
    for learned, true in zip(fit.network.factors, TRUTH.factors, strict=True):
        order = [learned.scope.index(v) for v in true.scope]
        difference = np.exp(np.transpose(learned.log_table, order)) - np.exp(true.log_table)
        assert abs(difference).max() < 5 * 0.5 / np.sqrt(100)


@pytest.mark.parametrize("score", ["bic", "bdeu"])
def test_hill_climbing_reaches_the_best_graph_of_all(score):
    rng = np.random.default_rng(3)
    columns = draw_rows(bayesian([2, 2, 3, 2], [(), (0,), (0,), (1, 2)], 8, ""), 300, 5)
    columns["x3"] = [v if rng.random() < 0.7 else "s0" for v in columns["x3"]]
    fit = fit_network(None, HillClimb(score=score, restarts=20), columns)
    family = FamilyScores(read_table(columns).distinct(), score)
    best = max(
        structure_score(family, [[u for u in range(4) if int(m) >> u & 1] for m in graph])
        for graph in all_dags(4)
    )
    assert fit.summary["score"] == pytest.approx(best)


def test_the_parameters_can_be_bayesian():
    method = HillClimb(parameters=BayesianEstimate(draws=20))
    fit = fit_network(None, method, DATA)
    assert fit.tree["posterior"]["x3"].sizes["draw"] == 20
    assert fit.summary["score_name"] == "bic"


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_constant_variables_stay_alone(method):
    rng = np.random.default_rng(0)
    data = {"c": ["k"] * 50, "a": rng.integers(0, 2, 50), "d": ["k"] * 50}
    assert edges_of(fit_network(None, method, data)) == set()
    data["b"] = data["a"]
    edges = edges_of(fit_network(None, method, data))
    assert edges in ({("a", "b")}, {("b", "a")})


def test_fewer_parents_when_asked():
    fit = fit_network(None, HillClimb(max_parents=1), DATA)
    assert max(len(fit.network.parents(v)) for v in range(4)) <= 1


def test_variables_can_be_chosen_and_states_declared():
    fit = fit_network(["x0", "x2"], HillClimb(), DATA)
    assert fit.network.names == ("x0", "x2")
    assert "'x1'" in fit.summary["notes"][0]
    fit = fit_network(TRUTH, HillClimb(), DATA)
    assert fit.network.states == TRUTH.states


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_global_settings_and_random_numbers_stay(method):
    import logging

    from pgmpy import config

    np.random.seed(4)
    before = np.random.get_state()[1].tolist()
    shown, level = config.get_show_progress(), logging.getLogger("pgmpy").level
    fit_network(None, method, DATA)
    assert config.get_show_progress() == shown
    assert logging.getLogger("pgmpy").level == level
    assert np.random.get_state()[1].tolist() == before


def test_ties_are_broken_alike_in_every_process():
    """Names are text, whose hashes differ from process to process."""
    data = {"p": [0, 0, 1, 1] * 9, "q": [0, 0, 1, 1] * 8 + [0, 1, 0, 1], "r": [0, 1, 1, 1] * 9}
    program = (
        "from probgen.learn.fit import fit_network\n"
        "from probgen.learn.networks.structure_search import HillClimb\n"
        f"fit = fit_network(None, HillClimb(), {data!r})\n"
        "print(fit.tree['structure']['edge'].values.tolist())\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    here = fit_network(None, HillClimb(), data).tree["structure"]["edge"].values.tolist()
    assert json.loads(other.stdout) == here
    assert np.sum(here) > 0


def test_a_pdag_without_extension_becomes_acyclic():
    from pgmpy.base import DAG

    class Cyclic(DAG):
        def edges(self):
            return [(1, 2), (2, 3), (3, 1)]

    found = parents_in(Cyclic(), 3)
    assert found.turned == 1
    assert found.parents == [[], [0], [0, 1]] or sum(map(len, found.parents)) == 3


def test_perturbed_graphs_are_acyclic():
    rng = np.random.default_rng(1)
    parents: list[list[int]] = [[] for _ in range(6)]
    known = {tuple(graph) for graph in all_dags(5).tolist()}
    small: list[list[int]] = [[] for _ in range(5)]
    for _ in range(200):
        parents = perturbed(parents, 2, rng)
        assert max(map(len, parents)) <= 2
        small = perturbed(small, None, rng)
        assert tuple(sum(1 << u for u in above) for above in small) in known


# Bad input


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_data_that_do_not_fit(method):
    with pytest.raises(DataError, match=r"missing in 'b' \(1\)"):
        fit_network(None, method, {"a": [0, 1], "b": [0, None]})
    with pytest.raises(DataError, match="at least two variables"):
        fit_network(None, method, {"a": [0, 1]})
    with pytest.raises(DataError, match="no column for the variable 'c'"):
        fit_network(["a", "c"], method, {"a": [0, 1], "b": [1, 0]})


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (HillClimb, {"score": "mdl"}, "score='mdl'"),
        (HillClimb, {"max_parents": 0}, "max_parents=0"),
        (HillClimb, {"restarts": -1}, "restarts=-1"),
        (GES, {"score": "k2"}, "equal for equivalent graphs"),
        (PC, {"test": "magic"}, "test='magic'"),
        (PC, {"significance_level": 2}, "between 0 and 1"),
        (PC, {"max_conditioning": 0}, "max_conditioning=0"),
    ],
)
def test_options_out_of_range(method, options, message):
    with pytest.raises(OptionError, match=message):
        method(**options)


# Real data


@pytest.mark.parametrize(
    ("name", "method", "farthest"),
    [("learning.test", HillClimb(), 1), ("learning.test", GES(), 1), ("asia", GES(), 3),
     ("asia", PC(), 3), ("asia", HillClimb(), 3), ("lizards", HillClimb(), 1),
     ("alarm", PC(), 6)],
)  # fmt: skip
def test_true_structures_are_nearly_recovered(name, method, farthest):
    """Up to edges whose direction the data cannot tell, and one that they barely show (asia)."""
    truth = json.loads(reference_data("bn_samples", "TRUE_STRUCTURES.json").read_text())[name]
    frame = pd.read_csv(reference_data("bn_samples", f"{name}.csv.gz"))
    true = {(parent, child) for child, parents in truth.items() for parent in parents}
    fit = fit_network(None, method, frame)
    assert structural_hamming_distance(edges_of(fit), true) <= farthest


@pytest.mark.slow
def test_hill_climbing_recovers_alarm():
    """37 variables, 46 edges; a climb from the empty graph alone ends about 35 edges away."""
    truth = json.loads(reference_data("bn_samples", "TRUE_STRUCTURES.json").read_text())["alarm"]
    frame = pd.read_csv(reference_data("bn_samples", "alarm.csv.gz"))
    true = {(parent, child) for child, parents in truth.items() for parent in parents}
    fit = fit_network(None, HillClimb(), frame)
    assert structural_hamming_distance(edges_of(fit), true) <= 8
    alone = fit_network(None, HillClimb(restarts=0), frame)
    assert fit.summary["score"] > alone.summary["score"] + 1000
