"""Causal flows: the graph is the Jacobian, and interventions are those of a known linear model."""

import networkx as nx
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.graph import GraphFlow

# a confounds b and c; b acts on c: c = 2 b - 3 a + noise
EDGES = [("a", "b"), ("a", "c"), ("b", "c")]


def linear(rows, seed=0, do=None):
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(rows, 3, generator=random)
    a = noise[:, 0] + 1
    b = a + noise[:, 1] if do is None else torch.full((rows,), float(do))
    c = 2 * b - 3 * a + noise[:, 2]
    return torch.stack([a, b, c], -1)


@pytest.fixture(scope="module")
def flow():
    model = GraphFlow(EDGES, ["a", "b", "c"], kind="maf", hidden=())
    method = MaximumLikelihood(learning_rate=pg.schedules.Cosine(5e-2))
    options = {"epochs": 20, "batch_size": 200, "seed": 1, "progress": False}
    return pg.fit(model, method, data=linear(4000), **options).model


def test_the_jacobian_is_exactly_zero_off_the_graph():
    chain = nx.DiGraph([("x", "y"), ("y", "z"), ("w", "z")])
    flow = GraphFlow(chain, ["x", "y", "z", "w"], activation=torch.nn.Tanh).double()
    x = torch.randn(4, generator=torch.Generator().manual_seed(0)).double()
    found = torch.autograd.functional.jacobian(flow.to_noise, x) != 0
    assert found.tolist() == [
        [True, False, False, False], [True, True, False, False],
        [False, True, True, True], [False, False, False, True],
    ]  # fmt: skip


def test_interventions_are_not_conditions(flow):
    drawn = flow.sample(8000, do={"b": 3.0}, seed=0)
    truth = linear(8000, seed=9, do=3.0)
    assert (drawn[:, 1] == 3.0).all()
    torch.testing.assert_close(drawn.mean(0), truth.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.std(0), truth.std(0), atol=0.15, rtol=0)
    seen = linear(200_000, seed=4)
    conditional = seen[(seen[:, 1] - 3).abs() < 0.1, 2].mean()
    assert abs(conditional - truth[:, 2].mean()) > 1.5  # which seeing b = 3 would tell
    torch.testing.assert_close(
        flow.sample(8000, seed=0).mean(0), linear(8000).mean(0), atol=0.15, rtol=0
    )


def test_counterfactuals_keep_the_noise(flow):
    x = linear(50, seed=7)
    found = flow.counterfactual(x, {"b": 0.0})
    expected = x.clone()
    expected[:, 1] = 0.0
    expected[:, 2] = x[:, 2] - 2 * x[:, 1]
    torch.testing.assert_close(found, expected, atol=0.35, rtol=0)
    assert (found[:, 0] - x[:, 0]).abs().max() < 1e-4  # what b does not act on
    same = flow.counterfactual(x, {"a": x[:, 0]})
    torch.testing.assert_close(same, x, atol=1e-3, rtol=1e-3)


def test_graphs_of_pgmpy_and_columns_by_name():
    from pgmpy.base import DAG

    flow = GraphFlow(DAG(EDGES))
    assert flow.names == ["a", "b", "c"]
    table = {"c": [1.0, 2.0], "a": [3.0, 4.0], "b": [5.0, 6.0]}
    assert flow.rows(table).tolist() == [[3.0, 5.0, 1.0], [4.0, 6.0, 2.0]]
    with pytest.raises(DataError, match="no column for the variable 'b'"):
        flow.rows({"a": [1.0], "c": [2.0]})


def test_what_is_no_graph_is_refused():
    with pytest.raises(ModelError, match="cycle: "):
        GraphFlow([("a", "b"), ("b", "a")])
    with pytest.raises(ModelError, match="'c'"):
        GraphFlow(EDGES, ["a", "b"])
    with pytest.raises(ModelError, match="undirected"):
        GraphFlow(nx.path_graph(3))
    with pytest.raises(OptionError, match="'nsf' or 'maf'"):
        GraphFlow(EDGES, kind="iaf")
    with pytest.raises(DataError, match="none of 'a', 'b', 'c'"):
        GraphFlow(EDGES).sample(2, do={"d": 1.0})
