"""Graphs of programs and networks; programs whose dependencies the tensor operations hide."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from probgen.declare.dependencies import perturbation as dependency_perturbation
from probgen.declare.dependencies.graph import graph_of
from probgen.declare.dependencies.tracing import traced_run
from probgen.declare.modelfile import load_model
from probgen.declare.network import Factor
from probgen.declare.networks.gaussian_network import GaussianNetwork
from probgen.declare.networks.to_pyro import to_pyro
from probgen.declare.program import read_program
from probgen.errors import DataError, EvidenceError, ModelError
from tests.inference.graphical.awkward import AWKWARD, grid

EMPTY = np.zeros(3)


def normal(name, loc=0.0):
    return pyro.sample(name, dist.Normal(loc, 1.0))


def edges(graph: nx.DiGraph, how: str | None = None) -> set[tuple[str, str]]:
    return {(a, b) for a, b, told in graph.edges(data="how") if how in (None, told)}


# Programs, their edges, and those of them that only a change of value can tell.


def through_item():
    normal("y", normal("x").item())


def through_numpy():
    x = normal("x")
    normal("y", torch.tensor(x.detach().numpy().sum()))


def through_index():
    z = pyro.sample("z", dist.Categorical(torch.ones(3) / 3))
    table = [[0.2, 0.8], [0.7, 0.3], [0.5, 0.5]]
    pyro.sample("y", dist.Categorical(torch.tensor(table[int(z)])))


def in_place():
    x = normal("x")
    box = torch.zeros(3)
    box[0] = x
    normal("y", box.sum())


def into_an_array():
    EMPTY[1] = normal("x").item()
    normal("y", float(EMPTY.sum()))


def choosing_a_number():
    b = pyro.sample("b", dist.Bernoulli(0.5))
    normal("y", 1.0 if b else 2.0)


def choosing_a_scale():
    x = normal("x")
    pyro.sample("y", dist.Normal(0.0, 1.0 if x > 0 else 2.0))


def broken_step():
    x = normal("x")
    s = pyro.deterministic("s", torch.tensor(x.item() ** 2))
    normal("y", s.item())


def size_of_a_plate():
    n = pyro.sample("n", dist.Poisson(3.0))
    with pyro.plate("p", int(n) + 1):
        normal("y")


def broken_factor():
    x = normal("x")
    pyro.factor("f", torch.tensor(-(x.item() ** 2)))


def broken_observed():
    z = pyro.sample("z", dist.Bernoulli(0.5), obs=torch.tensor(1.0))
    normal("y", z.item())


def seldom():
    z = pyro.sample("z", dist.Categorical(torch.tensor([0.998, 0.001, 0.001])))
    normal("y", 1.0 if int(z) == 2 else 0.0)


BROKEN = {
    through_item: {("x", "y")},
    through_numpy: {("x", "y")},
    through_index: {("z", "y")},
    in_place: {("x", "y")},
    into_an_array: {("x", "y")},
    choosing_a_number: {("b", "y")},
    choosing_a_scale: {("x", "y")},
    broken_step: {("x", "s"), ("s", "y")},
    size_of_a_plate: {("n", "y")},
    broken_factor: {("x", "f")},
    broken_observed: {("z", "y")},
    seldom: {("z", "y")},
}


@pytest.mark.parametrize("program", BROKEN, ids=lambda program: program.__name__)
def test_hidden_dependencies_are_found_by_changing_values(program):
    graph = graph_of(program)
    assert edges(graph) == BROKEN[program]
    assert edges(graph, "numeric") == BROKEN[program]


@pytest.mark.parametrize("program", BROKEN, ids=lambda program: program.__name__)
def test_the_traced_graph_alone_misses_them(program):
    described = read_program(program)
    assert all(not traced_run(described, seed)[1] for seed in range(4))


def through_indexing():
    z = pyro.sample("z", dist.Categorical(torch.ones(3) / 3))
    table = torch.tensor([[0.2, 0.8], [0.7, 0.3], [0.5, 0.5]])
    pyro.sample("y", dist.Categorical(table[z]))


def through_a_net():
    x = pyro.sample("x", dist.Normal(torch.zeros(1), 1.0).to_event(1))
    weight = torch.full((1, 1), 0.5)
    pyro.sample("y", dist.Normal(x @ weight, 1.0).to_event(1), obs=torch.zeros(1))


def a_factor():
    x = pyro.sample("x", dist.Bernoulli(0.5))
    y = pyro.sample("y", dist.Bernoulli(0.5))
    pyro.factor("f", x * y)


def a_step():
    x = normal("x")
    normal("y", pyro.deterministic("s", x**2))


def a_chain():
    z = torch.tensor(0)
    table = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    for t in pyro.markov(range(3)):
        z = pyro.sample(f"z{t}", dist.Categorical(table[z]))
        pyro.sample(f"x{t}", dist.Normal(z.double(), 1.0), obs=torch.tensor(0.0))


def a_series():
    phi, last = normal("phi"), torch.tensor(0.5)
    for t in range(3):
        last = pyro.sample(f"y{t}", dist.Normal(phi * last, 1.0), obs=torch.tensor(1.0 + t))


def moving_support():
    low = normal("low")
    pyro.sample("y", dist.Uniform(low, low + 1.0))


def unrelated():
    normal("x")
    normal("y")


def improper():
    x = pyro.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
    pyro.sample("y", dist.Normal(x, 1.0), obs=torch.tensor(0.3))


WHOLE = {
    through_indexing: {("z", "y")},
    through_a_net: {("x", "y")},
    a_factor: {("x", "f"), ("y", "f")},
    a_step: {("x", "s"), ("s", "y")},
    a_chain: {("z0", "z1"), ("z1", "z2"), ("z0", "x0"), ("z1", "x1"), ("z2", "x2")},
    a_series: {("phi", "y0"), ("phi", "y1"), ("phi", "y2"), ("y0", "y1"), ("y1", "y2")},
    moving_support: {("low", "y")},
    unrelated: set(),
    improper: {("x", "y")},
}


@pytest.mark.parametrize("program", WHOLE, ids=lambda program: program.__name__)
def test_whole_dependencies_are_traced(program):
    graph = graph_of(program)
    assert edges(graph) == WHOLE[program]
    assert edges(graph, "numeric") == set()
    assert not any(told for _, told in graph.nodes(data="conditional"))


def test_sites_of_one_branch_are_conditional():
    def branch():
        b = pyro.sample("b", dist.Bernoulli(0.5))
        z = normal("u") if b else normal("v", 5.0)
        pyro.sample("y", dist.Normal(z, 1.0), obs=torch.tensor(0.0))

    graph = graph_of(branch)
    assert {name for name, told in graph.nodes(data="conditional") if told} == {"u", "v"}
    assert edges(graph, "traced") == {("u", "y"), ("v", "y")}
    assert {("b", "u"), ("b", "v")} <= edges(graph, "numeric")


def test_random_numbers_of_its_own_make_no_edges():
    def noisy():
        normal("x")
        normal("y", torch.randn(()))

    assert edges(graph_of(noisy)) == set()


def test_a_program_that_cannot_be_traced_has_its_graph_by_numbers(monkeypatch):
    import probgen.declare.dependencies.tracing as module

    def refuse(*_):
        raise RuntimeError("no provenance here\nat all")

    monkeypatch.setattr(module, "traced_run", refuse)
    graph = graph_of(a_step)
    assert edges(graph, "numeric") == {("x", "s"), ("s", "y")}
    assert graph.graph["untraced"] == "no provenance here"


def test_large_programs_are_searched_in_groups(monkeypatch):
    def long():
        x = normal("x0")
        for k in range(1, 26):
            x = normal(f"x{k}", x.item() if k == 17 else x)

    monkeypatch.setattr(dependency_perturbation, "_SINGLY", 10)
    graph = graph_of(long)
    assert edges(graph) == {(f"x{k}", f"x{k + 1}") for k in range(25)}
    assert edges(graph, "numeric") == {("x16", "x17")}


def test_attributes_of_a_zoo_model():
    model = load_model("eight_schools")
    graph = graph_of(model.program, model.data)
    assert list(graph) == ["mu", "tau", "theta_raw", "theta", "y"]
    assert set(graph.predecessors("theta")) == {"mu", "tau", "theta_raw"}
    assert graph.nodes["y"] == {
        "kind": "observed",
        "observed": True,
        "plates": ["school"],
        "distribution": "Normal",
        "conditional": False,
    }
    assert graph.nodes["theta"]["kind"] == "deterministic"
    assert graph.graph == {"title": "eight_schools", "sizes": {"school": 8}}
    assert edges(graph, "numeric") == set()


def test_nothing_of_the_users_is_changed():
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    pyro.clear_param_store()

    def program():
        normal("y", pyro.param("w", torch.tensor(1.0)) * normal("x"))

    graph_of(program)
    assert torch.equal(before, torch.get_rng_state())
    assert (numbers == np.random.get_state()[1]).all()
    assert not list(pyro.get_param_store().keys())


def test_a_bayesian_network_and_its_program_have_the_same_graph():
    network = AWKWARD["bayesian"]
    graph = graph_of(network, {"x3": "s2"})
    assert isinstance(graph, nx.DiGraph)
    assert set(graph.edges) == {("x0", "x1"), ("x0", "x2"), ("x1", "x2"), ("x2", "x3")}
    assert set(graph.edges) == edges(graph_of(to_pyro(network)), "traced")
    assert graph.nodes["x3"]["observed"] == "s2"
    assert graph.nodes["x3"]["kind"] == "observed"
    assert graph.nodes["x1"]["states"] == ("s0", "s1", "s2")
    assert graph.nodes["x1"]["card"] == 3
    assert graph.nodes["x0"]["kind"] == "latent"


@pytest.mark.parametrize("name", AWKWARD)
def test_graphs_of_awkward_networks(name):
    network = AWKWARD[name]
    graph = graph_of(network)
    factors = [v for v in graph if isinstance(v, Factor)]
    if network.kind == "bayesian":
        assert not factors
        assert nx.is_directed_acyclic_graph(graph)
    else:
        assert factors == list(network.factors)
        assert nx.is_bipartite(graph)
        for factor in factors:
            assert set(graph[factor]) == {network.names[v] for v in factor.scope}
    assert set(graph) - set(factors) == set(network.names)


def test_names_of_a_network_stay_the_users():
    graph = graph_of(grid(2, 2, 0.5, 0.1), {(0, 1): -1})
    assert graph.nodes[0, 1]["observed"] == -1
    assert graph.nodes[0, 1]["label"] == "0[1]"


def test_pgmpy_models():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork([("a", "b")])
    model.add_cpds(
        TabularCPD("a", 2, [[0.5], [0.5]]),
        TabularCPD("b", 2, [[0.9, 0.2], [0.1, 0.8]], ["a"], [2]),
    )
    graph = graph_of(model, {"b": 1})
    assert set(graph.edges) == {("a", "b")}
    assert graph.nodes["b"]["kind"] == "observed"


def test_gaussian_networks():
    network = GaussianNetwork(("x", "y"), ((), (0,)), [0, 1], ([], [2]), [1, 0], "copy")
    graph = graph_of(network, {"x": 2.0})
    assert graph.edges["x", "y"] == {"coefficient": 2.0}
    assert graph.nodes["x"]["kind"] == "observed"
    assert graph.nodes["y"]["kind"] == "deterministic"


def test_functional_networks():
    import pgmpy
    from pgmpy.factors.hybrid import FunctionalCPD
    from pgmpy.models import FunctionalBayesianNetwork

    before = pgmpy.config.get_backend()
    pgmpy.config.set_backend("torch")
    try:
        model = FunctionalBayesianNetwork([("x", "y")])
        model.add_cpds(
            FunctionalCPD("x", lambda _: dist.Normal(0.0, 1.0)),
            FunctionalCPD("y", lambda p: dist.Normal(p["x"], 1.0), ["x"]),
        )
    finally:
        pgmpy.config.set_backend(before)
    graph = graph_of(model, {"y": 1.0})
    assert set(graph.edges) == {("x", "y")}
    assert [told["kind"] for _, told in graph.nodes(data=True)] == ["latent", "observed"]


def test_what_has_no_graph():
    with pytest.raises(ModelError, match="must be a Pyro program"):
        graph_of(3)
    with pytest.raises(DataError, match="takes no argument named 'w'"):
        graph_of(a_step, {"w": 1})
    with pytest.raises(ModelError, match="name 'nothing' is not defined"):
        graph_of(lambda: nothing)  # noqa: F821
    with pytest.raises((DataError, EvidenceError), match="no variable 'q'"):
        graph_of(AWKWARD["chain"], {"q": 1})
