"""Neural Bayesian networks: exact probabilities on a graph, interventions, exact inference."""

import itertools

import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.errors import DataError, ModelError
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.categorical import CategoricalGraph, complete_graph

STATES = {"rain": 2, "sprinkler": 2, "wet": 3}
EDGES = [("rain", "wet"), ("sprinkler", "wet"), ("rain", "sprinkler")]


def weather(rows, seed=0, sprinkler=None):
    """Rain, a sprinkler that is mostly off in the rain, and how wet the grass is."""
    random = torch.Generator().manual_seed(seed)

    def uniform():
        return torch.rand(rows, generator=random)

    rain = (uniform() < 0.3).long()
    on = (uniform() < torch.where(rain == 1, 0.05, 0.5)).long()
    on = on if sprinkler is None else torch.full_like(on, sprinkler)
    wet = (rain + on).clamp(max=2) - (uniform() < 0.2).long()
    return {"rain": rain, "sprinkler": on, "wet": wet.clamp(min=0)}


@pytest.fixture(scope="module")
def network():
    method = MaximumLikelihood(learning_rate=pg.schedules.Cosine(2e-2))
    options = {"epochs": 12, "batch_size": 200, "seed": 1, "progress": False}
    model = CategoricalGraph(EDGES, STATES, hidden=(16,))
    return pg.fit(model, method, data=weather(6000), **options).model


def everything(model):
    return torch.tensor(list(itertools.product(*(range(count) for count in model.states))))


def test_probabilities_sum_to_one_and_see_the_parents_alone():
    chain = [("x", "y"), ("y", "z")]
    model = CategoricalGraph(chain, {"x": 2, "y": 3, "z": 2, "alone": 4}, hidden=(16, 16)).double()
    codes = everything(model)
    assert float(model.log_prob_of(codes).exp().sum().detach()) == pytest.approx(1)
    laws = model.log_probabilities(codes).exp()
    for v, row in enumerate(model.adjacency):
        cases = [tuple(case) for case in codes[:, row].tolist()]
        for group in set(cases):
            same = laws[[case == group for case in cases], v]
            assert (same == same[0]).all()  # exactly: off the graph nothing is seen
    for child, parent in model.adjacency.nonzero().tolist():
        assert any(
            not torch.equal(laws[one, child], laws[other, child])
            for one, other in itertools.combinations(range(len(codes)), 2)
            if (codes[one] != codes[other]).nonzero().flatten().tolist() == [parent]
        )


def test_the_complete_graph_is_made():
    model = CategoricalGraph(complete_graph(["p", "q", "r"]), dict.fromkeys("pqr", 2)).double()
    assert model.adjacency.int().tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert float(model.log_prob_of(everything(model)).exp().sum().detach()) == pytest.approx(1)


def test_a_graph_without_edges_is_independence():
    model = CategoricalGraph(complete_graph(["p"]), {"p": 3})
    assert float(model.log_prob(p=torch.arange(3)).exp().sum().detach()) == pytest.approx(1)


def test_learned_tables_are_those_of_the_model(network):
    parents, table = network.table("wet")
    assert parents == ["rain", "sprinkler"]
    expected = [[[1, 0, 0], [0.2, 0.8, 0]], [[0.2, 0.8, 0], [0, 0.2, 0.8]]]
    common = torch.tensor([[True, True], [True, False]])  # both at once is rare
    torch.testing.assert_close(table[common], torch.tensor(expected)[common], atol=0.07, rtol=0)
    assert float(network.table("rain")[1][1]) == pytest.approx(0.3, abs=0.03)


def test_draws_and_interventions(network):
    seen = network.sample(6000, seed=0)
    truth = weather(6000, seed=5)
    for name in STATES:
        assert float(seen[name].float().mean()) == pytest.approx(
            float(truth[name].float().mean()), abs=0.06
        )
    done = network.sample(6000, do={"sprinkler": 1}, seed=0)
    assert float(done["rain"].float().mean()) == pytest.approx(0.3, abs=0.04)
    expected = float(weather(6000, seed=5, sprinkler=1)["wet"].float().mean())
    assert float(done["wet"].float().mean()) == pytest.approx(expected, abs=0.07)
    rain = seen["rain"][seen["sprinkler"] == 1].float().mean()
    assert float(rain) < 0.12  # what seeing the sprinkler on would tell
    again = poutine.do(network, {"sprinkler": torch.tensor(1)})
    assert again(rain=torch.ones(3)).keys() == STATES.keys()


def test_the_program_is_the_density(network):
    data = weather(20)
    trace = poutine.trace(network).get_trace(**data)
    torch.testing.assert_close(trace.log_prob_sum(), network.log_prob(**data).sum())
    assert pg.check(network, data).ok


def test_tables_of_pgmpy_are_those_of_the_network(network):
    model = network.to_pgmpy()
    assert model.check_model()
    assert set(model.edges) == set(EDGES)
    cpd = model.get_cpds("wet")
    parents = network.table("wet")[0]
    assert cpd.variables == ["wet", *parents]
    torch.testing.assert_close(
        torch.tensor(cpd.values).float().movedim(0, -1), network.table("wet")[1]
    )


@pytest.mark.slow
def test_exact_inference_on_the_tables(network):
    tree = pg.infer(network.to_pgmpy(), pg.Exact(), data={"wet": 2}, progress=False)
    found = pg.marginals(tree)
    seen = weather(40_000, seed=3)
    share = float(seen["rain"][seen["wet"] == 2].float().mean())
    assert float(found.loc[("rain", 1), "probability"]) == pytest.approx(share, abs=0.05)


def test_what_does_not_fit_is_refused(network):
    with pytest.raises(ModelError, match="at least 2"):
        CategoricalGraph(EDGES, {**STATES, "wet": 1})
    with pytest.raises(ModelError, match="'wet'"):
        CategoricalGraph(EDGES, {"rain": 2, "sprinkler": 2})
    with pytest.raises(DataError, match="no column for the variable 'wet'"):
        network.log_prob(rain=torch.zeros(1), sprinkler=torch.zeros(1))
    data = {**weather(20), "wet": torch.full((20,), 3)}
    with pytest.raises(DataError, match="integer, 0"):
        pg.fit(network, MaximumLikelihood(), data=data, epochs=1, progress=False)
    with pytest.raises(DataError, match="none of"):
        network.sample(2, do={"snow": 1})
