"""The walk over graphs against all graphs, with walks broken on purpose; its DataTree."""

from __future__ import annotations

import math
import threading
from collections import Counter

import arviz_stats as azs
import numpy as np
import pandas as pd
import pytest

from probgen.compile.build import build
from probgen.errors import DataError, OptionError, TooLargeError
from probgen.learn.columns import read_table
from probgen.learn.fit import fit_network
from probgen.learn.networks import dag_walk, scores
from probgen.learn.networks.dag_walk import NativeWalk, PythonWalk, source
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.parent_sets import ParentSets, tabulate
from probgen.learn.networks.scores import FamilyScores, structure_score
from probgen.learn.networks.structure_mcmc import StructureMCMC
from tests.inference.graphical.awkward import bayesian
from tests.learn.all_dags import COUNTS, all_dags, edge_matrix, exact_posterior
from tests.learn.samples import draw_rows
from tests.reference_data import reference_data

MOVES = {"edge": (0.0, 0.0), "family": (0.5, 0.0), "reversal": (0.0, 0.5), "all": (0.2, 0.2)}


def random_sets(nodes: int, spread: float, seed: int, max_parents: int = 9) -> ParentSets:
    """Weights without any structure: any graph can be the best."""
    rng = np.random.default_rng(seed)
    rows = []
    for v in range(nodes):
        masks = [m for m in range(1 << nodes) if not m >> v & 1 and m.bit_count() <= max_parents]
        rows.append(masks)
    masks = np.array(rows, dtype=np.uint64)
    return ParentSets(masks, rng.normal(0, spread, masks.shape), min(max_parents, nodes - 1))


def check_walk(sets: ParentSets, moves: tuple[float, float], library=None, seed: int = 1,
               draws: int = 40_000, thin: int = 15) -> None:  # fmt: skip
    """Frequencies of whole graphs within 5 standard errors of their probabilities."""
    graphs, weights = exact_posterior(sets)
    walk = NativeWalk(sets, np.zeros(sets.nodes), 12345 + seed, *moves, library)
    walk.run(500, thin)
    drawn = walk.run(draws, thin).graphs
    seen = Counter(map(tuple, drawn.tolist()))
    assert set(seen) <= set(map(tuple, graphs.tolist()))
    batches = drawn.reshape(40, -1, sets.nodes)
    likely = np.argsort(-weights)[:30]
    for graph, probability in zip(graphs[likely], weights[likely], strict=True):
        means = (batches == graph.astype(np.uint64)).all(axis=2).mean(axis=1)
        error = max(means.std(ddof=1) / math.sqrt(40), math.sqrt(probability / draws / 4))
        assert abs(means.mean() - probability) < 5 * error
    expected = edge_matrix(graphs, weights)
    for u in range(sets.nodes):
        for v in range(sets.nodes):
            means = (batches[:, :, v] >> np.uint64(u) & np.uint64(1)).mean(axis=1)
            error = max(means.std(ddof=1) / math.sqrt(40), 1e-3)
            assert abs(means.mean() - expected[u, v]) < 5 * error


@pytest.mark.parametrize("walk", [NativeWalk, PythonWalk])
def test_a_walk_between_two_draws_can_be_stopped(walk):
    """As after Ctrl-C, when the draws are far apart."""
    chain = walk(random_sets(4, 1.0, 1), np.zeros(4, dtype=np.uint64), 1, 0.2, 0.2)
    work = threading.Thread(target=chain.run, args=(1, 10**12))
    work.start()
    chain.stop()
    work.join(10)
    assert not work.is_alive()


# All graphs


@pytest.mark.parametrize("nodes", COUNTS)
def test_all_graphs_are_counted(nodes):
    assert len(all_dags(nodes)) == COUNTS[nodes]


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_the_walk_has_the_posterior_as_its_law(nodes, moves):
    check_walk(random_sets(nodes, 1.0, nodes), MOVES[moves])


@pytest.mark.parametrize("moves", ["edge", "reversal", "all"])
def test_the_walk_with_few_parents_allowed(moves):
    check_walk(random_sets(4, 1.0, 7, max_parents=1), MOVES[moves])


def test_the_walk_over_five_nodes():
    check_walk(random_sets(5, 1.5, 3), MOVES["all"], thin=30)


BROKEN = {
    "edges not counted": ("std::log((double)edges) - std::log((double)count_edges(w, parents))",
                          "0.0", "reversal"),
    "reverse sum of the head left out": ("to_head - from_head", "to_head - to_tail", "reversal"),
    "reverse sum of the tail left out": ("- from_head - from_tail", "- from_head", "reversal"),
    "the head is an orphan in the reverse sum": (
        "parents[tail] = 0;\n    parents[head] = old_head;\n    const double from_tail",
        "parents[tail] = 0;\n    const double from_tail", "reversal"),
    "an edge is never removed": ("to_backward = !backward && coin",
                                 "to_backward = !backward", "edge"),
    "additions favoured": ("if (!(std::log(u) < gain)) return false;",
                           "if (!(std::log(u) < gain + 0.3 * (to_forward && !backward))) "
                           "return false;", "edge"),
    "cycles allowed": ("const bool cyclic = ", "const bool cyclic = false && ", "edge"),
    "descendants forgotten": ("sum_sets(w, node, 0, descendants(w, parents, node), "
                              "&parents[node]);",
                              "sum_sets(w, node, 0, bit(node), &parents[node]);", "family"),
    "the first set is never drawn": ("if (left < 0) break;",
                                     "if (left < 0 && k > 0) break;", "family"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_walks_are_caught(name):
    old, new, moves = BROKEN[name]
    assert old in source()
    library = build(source().replace(old, new), "dag_walk_broken")
    caught = 0
    for nodes in (3, 4):
        try:
            check_walk(random_sets(nodes, 1.0, nodes), MOVES[moves], library)
        except AssertionError:
            caught += 1
    assert caught


@pytest.mark.parametrize("nodes", [2, 4, 6])
def test_native_and_python_walk_alike(nodes):
    sets = random_sets(nodes, 2.0, 5, max_parents=3)
    start = np.zeros(nodes)
    walks = [cls(sets, start, 99, 0.3, 0.3) for cls in (NativeWalk, PythonWalk)]
    steps = [walk.run(300, 7) for walk in walks]
    assert (steps[0].graphs == steps[1].graphs).all()
    np.testing.assert_allclose(steps[0].log_weights, steps[1].log_weights, rtol=1e-12)
    np.testing.assert_allclose(steps[0].accepted, steps[1].accepted)
    assert walks[0].tried == walks[1].tried
    assert walks[0].taken == walks[1].taken


# Scores


def tiny_table(nodes: int, rows: int = 60, seed: int = 0):
    network = bayesian([2, 3, 2, 2, 2][:nodes], [(), (0,), (1,), (0, 2), (3,)][:nodes], seed, "")
    columns = draw_rows(network, rows, seed)
    return columns, read_table(columns, network.names).distinct()


def equivalence_classes(nodes: int) -> list[list[list[list[int]]]]:
    """Graphs with the same skeleton and colliders (Verma & Pearl 1990), grouped."""
    groups: dict = {}
    for graph in all_dags(nodes):
        parents = [[u for u in range(nodes) if int(m) >> u & 1] for m in graph]
        skeleton = frozenset(frozenset((u, v)) for v, ps in enumerate(parents) for u in ps)
        colliders = frozenset(
            (v, frozenset((a, b)))
            for v, ps in enumerate(parents)
            for a in ps
            for b in ps
            if a < b and frozenset((a, b)) not in skeleton
        )
        groups.setdefault((skeleton, colliders), []).append(parents)
    return list(groups.values())


def check_equivalence(score: str, nodes: int = 4) -> None:
    family = FamilyScores(tiny_table(nodes)[1], score, 3.0)
    for group in equivalence_classes(nodes):
        values = [structure_score(family, parents) for parents in group]
        np.testing.assert_allclose(values, values[0], atol=1e-9)


@pytest.mark.parametrize("score", ["bdeu", "bic", "aic", "log_likelihood"])
def test_equivalent_graphs_score_alike(score):
    assert len(equivalence_classes(4)) == 185  # Gillispie & Perlman (2002)
    check_equivalence(score)


def test_k2_is_not_equivalent():
    with pytest.raises(AssertionError):
        check_equivalence("k2")


def without_parent_term(counts, prior):
    from scipy.special import gammaln

    return float((gammaln(counts + prior) - gammaln(prior)).sum())


def prior_per_row(prior, size, shape):
    return np.full(tuple(shape), size / shape[-1])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("log_marginal_likelihood", without_parent_term), ("pseudo_counts", prior_per_row)],
)
def test_wrong_bdeu_terms_are_caught(monkeypatch, name, wrong):
    monkeypatch.setattr(scores, name, wrong)
    with pytest.raises(AssertionError):
        check_equivalence("bdeu")


@pytest.mark.parametrize(("score", "theirs"), [("bic", "BIC"), ("aic", "AIC"), ("bdeu", "BDeu"),
                                               ("k2", "K2")])  # fmt: skip
def test_scores_are_pgmpys(score, theirs):
    import pgmpy.structure_score as peers

    columns, table = tiny_table(4)
    frame = pd.DataFrame(columns)
    options = {"equivalent_sample_size": 10} if score == "bdeu" else {}
    peer = getattr(peers, theirs)(frame, **options)
    ours = FamilyScores(table, score, 10.0)
    for child, parents in [(0, ()), (1, (0,)), (3, (0, 2)), (2, (0, 1, 3))]:
        names = tuple(table.names[p] for p in parents)
        expected = peer.local_score(table.names[child], names)
        assert ours.of(child, parents) == pytest.approx(expected, rel=1e-9)


def test_the_modular_prior_makes_each_number_of_parents_equally_likely():
    table = tiny_table(4)[1]
    family = FamilyScores(table)
    plain, modular = tabulate(family, 3, "uniform"), tabulate(family, 3, "modular")
    prior = np.exp(modular.weights - plain.weights)
    sizes = np.array([[int(m).bit_count() for m in row] for row in modular.masks])
    for size in range(4):
        np.testing.assert_allclose((prior * (sizes == size)).sum(axis=1), 1)


# The method


def test_edge_probabilities_are_those_of_all_graphs():
    columns, table = tiny_table(5, rows=80, seed=2)
    fit = fit_network(None, StructureMCMC(max_parents=4, draws=4000, thin=50), columns, seed=4)
    sets = tabulate(FamilyScores(table, "bdeu", 10.0), 4)
    graphs, weights = exact_posterior(sets)
    expected = edge_matrix(graphs, weights)
    edges = fit.tree["edges"]
    difference = abs(edges["probability"].values - expected)
    assert (difference < 5 * edges["mcse"].values + 2e-3).all()
    best = graphs[weights.argmax()]
    assert fit.summary["log_score"] == pytest.approx(
        sum(sets.weights[v][list(sets.masks[v]).index(m)] for v, m in enumerate(best))
    )
    off = ~np.eye(5, dtype=bool)
    assert np.nanmax(edges["r_hat"].values[off]) < 1.02
    assert fit.network.kind == "bayesian"


def test_the_tree_is_one_that_arviz_takes():
    columns, _ = tiny_table(3)
    method = StructureMCMC(chains=3, draws=200, thin=20)
    fit = fit_network(None, method, columns)
    posterior, stats = fit.tree["posterior"], fit.tree["sample_stats"]
    assert posterior["edge"].dims == ("chain", "draw", "parent", "child")
    assert posterior["edge"].dtype == np.int8
    assert posterior["edge"].shape == (3, 200, 3, 3)
    assert list(posterior.coords["parent"].values) == ["x0", "x1", "x2"]
    assert stats["log_score"].shape == stats["accepted"].shape == (3, 200)
    assert ((stats["accepted"] >= 0) & (stats["accepted"] <= 1)).all()
    assert float(azs.rhat(stats.to_dataset())["log_score"]) < 1.1
    assert float(azs.ess(posterior.to_dataset())["edge"].sel(parent="x0", child="x1")) > 50


def test_chains_begin_apart():
    from probgen.learn.networks.structure_mcmc import random_graph

    sets = random_sets(6, 1.0, 1, max_parents=2)
    graphs = [random_graph(sets, np.random.default_rng(k), k == 0) for k in range(20)]
    assert not graphs[0].any()
    counts = [sum(int(m).bit_count() for m in g) for g in graphs]
    assert max(counts) >= 5
    for graph in graphs:
        assert all(int(m).bit_count() <= 2 for m in graph)
        left = set(range(6))
        while left:
            free = {v for v in left if not any(int(graph[v]) >> u & 1 for u in left)}
            assert free
            left -= free


def test_the_same_seed_gives_the_same_graphs():
    columns, _ = tiny_table(4)
    method = StructureMCMC(draws=100, warmup=10, thin=5)
    edges = [fit_network(None, method, columns, seed=s).tree["posterior"]["edge"].values
             for s in (-3, -3, 3)]  # fmt: skip
    assert (edges[0] == edges[1]).all()
    assert (edges[0] != edges[2]).any()


def test_without_a_compiler_the_walk_is_the_same(monkeypatch):
    columns, _ = tiny_table(4)
    method = StructureMCMC(draws=50, warmup=5, thin=5, chains=2)
    native = fit_network(None, method, columns, seed=2)
    dag_walk.library.cache_clear()
    monkeypatch.setenv("PROBGEN_CXX", "none")
    slow = fit_network(None, method, columns, seed=2)
    dag_walk.library.cache_clear()
    assert slow.summary["engine"] == "python"
    assert "No C++ compiler" in slow.summary["notes"][0]
    edges = [f.tree["posterior"]["edge"].values for f in (native, slow)]
    assert (edges[0] == edges[1]).all()


def test_chains_that_disagree_are_told():
    columns, _ = tiny_table(5, rows=3000)
    method = StructureMCMC(draws=20, warmup=0, thin=1, family=0, reversal=0)
    fit = fit_network(None, method, columns)
    assert "do not agree" in fit.summary["notes"][0]


def test_the_learner_of_the_tables_is_a_choice():
    columns, _ = tiny_table(3)
    method = StructureMCMC(draws=20, parameters=MaximumLikelihood())
    fit = fit_network(None, method, columns)
    counted = [(f.log_table == -np.inf).any() for f in fit.network.factors]
    assert fit.summary["log_likelihood"] is not None
    assert isinstance(counted[0], (bool, np.bool_))
    wrong = StructureMCMC(draws=20, parameters=StructureMCMC())
    with pytest.raises(OptionError, match=r"parameters=.*MaximumLikelihood"):
        fit_network(None, wrong, columns)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "mdl"}, "score='mdl'"),
        ({"prior": "flat"}, "prior='flat'"),
        ({"max_parents": 0}, "max_parents=0"),
        ({"draws": 0}, "draws=0"),
        ({"family": 0.6, "reversal": 0.4}, "together below 1"),
        ({"equivalent_sample_size": -1}, "equivalent_sample_size=-1"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        StructureMCMC(**options)


def test_data_that_do_not_fit():
    with pytest.raises(DataError, match="at least two variables"):
        fit_network(None, StructureMCMC(), {"a": [0, 1]})
    with pytest.raises(DataError, match="missing in 'a'"):
        fit_network(None, StructureMCMC(), {"a": [0, None], "b": [0, 1]})
    wide = {f"v{k}": [0, 1] for k in range(70)}
    with pytest.raises(TooLargeError, match=r"70 variables.*Lower max_parents"):
        fit_network(None, StructureMCMC(), wide)


# Real data


def test_lizards():
    """Species explains both measures; the two given species are independent."""
    frame = pd.read_csv(reference_data("bn_samples", "lizards.csv.gz"))
    fit = fit_network(None, StructureMCMC(), frame, seed=1)
    edges = fit.tree["edges"]["probability"]
    either = (edges + edges.rename(parent="child", child="parent")).to_pandas()
    assert either.loc["Species", "Diameter"] > 0.9
    assert either.loc["Species", "Height"] > 0.9
    assert either.loc["Diameter", "Height"] < 0.2
