"""Linear-Gaussian and functional networks: reading them, and their programs' posteriors."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.declare.networks.continuous import (
    continuous_program,
    functional_program,
    gaussian_program,
)
from probgen.declare.networks.gaussian_network import GaussianNetwork, read_gaussian
from probgen.declare.networks.to_pyro import to_pyro
from probgen.errors import DataError, ModelError
from probgen.inference.graphical.gaussian import condition_gaussian

pytestmark = pytest.mark.filterwarnings("ignore:trying to observe a value")


def quad() -> GaussianNetwork:
    return GaussianNetwork(
        ("d", "a", "b", ("c", 0)),
        ((3,), (), (1,), (1, 2)),
        [0.0, 1.0, -1.0, 0.5],
        ([1.5], [], [0.5], [1.0, -2.0]),
        [0.7, 1.0, 0.5, 2.0],
        "quad",
    )


def linear_model(**replaced):
    """pgmpy's x1 -> x2 -> x3, with CPDs replaced by (beta, std, evidence), or left out by None."""
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.models import LinearGaussianBayesianNetwork

    model = LinearGaussianBayesianNetwork([("x1", "x2"), ("x2", "x3")])
    cpds = {
        "x1": ([1], 2, []),
        "x2": ([-5, 0.5], 2, ["x1"]),
        "x3": ([4, -1], 3**0.5, ["x2"]),
        **replaced,
    }
    for name, told in cpds.items():
        if told is not None:
            model.add_cpds(LinearGaussianCPD(name, *told))
    return model


@pytest.fixture
def functional():
    """Builds a FunctionalBayesianNetwork from (edges, functions), and puts the backend back."""
    import pgmpy
    from pgmpy.factors.hybrid import FunctionalCPD
    from pgmpy.models import FunctionalBayesianNetwork

    before = pgmpy.config.get_backend()

    def build(edges, functions, vectorized=False):
        pgmpy.config.set_backend("torch")
        try:
            model = FunctionalBayesianNetwork(edges)
            model.add_nodes_from(functions)
            for name, function in functions.items():
                parents = [parent for parent, child in edges if child == name]
                model.add_cpds(FunctionalCPD(name, function, parents, vectorized))
        finally:
            pgmpy.config.set_backend(before)
        return model

    yield build
    assert pgmpy.config.get_backend() == before


def quick_infer(program, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pg.infer(
            program, pg.NUTS(), data=data, seed=1, draws=2000, progress=False, **options
        )


def assert_close(draws, mean, deviation):
    """Mean and standard deviation within 5 standard errors at a quarter of the draws' number."""
    draws = np.asarray(draws)
    count = draws.size / 4
    assert abs(draws.mean() - mean) < 5 * deviation / np.sqrt(count)
    assert abs(draws.std() - deviation) < 5 * deviation / np.sqrt(2 * count)


def test_reading_pgmpy():
    network = read_gaussian(linear_model())
    mean, covariance = network.joint()
    np.testing.assert_allclose(mean, [1, -4.5, 8.5])
    np.testing.assert_allclose(covariance, [[4, 2, -2], [2, 5, -5], [-2, -5, 8]], atol=1e-12)
    assert "3 nodes, 2 edges" in repr(network)


def test_networks_without_edges_or_nodes():
    mean, covariance = GaussianNetwork((), (), [], (), []).joint()
    assert mean.shape == (0,)
    assert covariance.shape == (0, 0)
    alone = GaussianNetwork((0, 1), ((), ()), [1, 2], ([], []), [1, 3])
    np.testing.assert_allclose(alone.joint()[1], np.diag([1, 9]))


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"x2": None}, "'x2' has no CPD"),
        ({"x2": ([-5, np.nan], 2, ["x1"])}, "'x2'.*NaN"),
        ({"x2": ([-5, 0.5], np.inf, ["x1"])}, "'x2'.*infinite"),
        ({"x2": ([-5, 0.5], -2, ["x1"])}, "'x2'.*-2 < 0"),
        ({"x2": ([-5], 2, [])}, r"'x2' has the parents \[\]; in the graph they are \['x1'\]"),
        ({"x2": ([-5, 1, 2], 2, ["x1"])}, "'x2' has 3 numbers in beta for 1 parents"),
    ],
)
def test_faulty_cpds_are_named(replaced, words):
    with pytest.raises(ModelError, match=words):
        read_gaussian(linear_model(**replaced))


def test_cycles_are_named():
    with pytest.raises(ModelError, match=r"cycle: . -> . -> ."):
        GaussianNetwork(("a", "b"), ((1,), (0,)), [0, 0], ([1], [1]), [1, 1])
    looped = SimpleNamespace(nodes=["a", "b"], edges=[("a", "b"), ("b", "a")], cpds=[])
    with pytest.raises(ModelError, match="cycle"):
        functional_program(looped)


def test_lengths_are_checked():
    with pytest.raises(ModelError, match="every node needs"):
        GaussianNetwork(("a", "b"), ((),), [0, 0], ([], []), [1, 1])
    with pytest.raises(ModelError, match="'b' has 1 parents but 0 coefficients"):
        GaussianNetwork(("a", "b"), ((), (0,)), [0, 0], ([], []), [1, 1])


def test_program_density_is_the_joint_gaussian():
    network = quad()
    mean, covariance = network.joint()
    point = np.array([0.3, -1.0, 2.0, 0.7])
    labels = network.labels()
    assert labels == ["d", "a", "b", "c[0]"]
    trace = pyro.poutine.trace(to_pyro(network)).get_trace(**dict(zip(labels, point, strict=True)))
    expected = dist.MultivariateNormal(torch.tensor(mean), torch.tensor(covariance)).log_prob(
        torch.tensor(point)
    )
    assert float(trace.log_prob_sum()) == pytest.approx(float(expected), abs=1e-10)
    assert to_pyro(network).__name__ == "quad"


def test_nuts_agrees_with_the_exact_posterior():
    network, given = quad(), {"d": 2.0, "b": 0.1}
    program, data = continuous_program(network, given)
    tree = quick_infer(program, data)
    exact = condition_gaussian(network, given)
    assert tree.attrs["backend"] in ("native", "batched", "eager")
    for k, label in enumerate(exact.labels()):
        assert_close(tree.posterior[label], exact.mean[k], exact.standard_deviations[k])


@pytest.mark.slow
def test_variational_inference_agrees_with_the_exact_posterior():
    from pyro.infer import SVI, Trace_ELBO
    from pyro.infer.autoguide import AutoMultivariateNormal

    network, given = quad(), {"d": 2.0, "b": 0.1}
    program, data = continuous_program(network, given)
    exact = condition_gaussian(network, given)
    pyro.set_rng_seed(0)
    pyro.clear_param_store()
    guide = AutoMultivariateNormal(program)
    elbo = Trace_ELBO(num_particles=64, vectorize_particles=True, max_plate_nesting=0)
    svi = SVI(program, guide, pyro.optim.ClippedAdam({"lr": 0.05, "lrd": 0.99}), elbo)
    for _ in range(500):
        svi.step(**data)
    fitted = guide.get_posterior()
    order = [exact.labels().index(name) for name in guide.prototype_trace.stochastic_nodes]
    np.testing.assert_allclose(fitted.mean.detach(), exact.mean[order], atol=0.05)
    np.testing.assert_allclose(
        fitted.covariance_matrix.detach(), exact.covariance[np.ix_(order, order)], atol=0.05
    )
    assert -elbo.loss(program, guide, **data) == pytest.approx(exact.log_evidence, abs=0.05)
    pyro.clear_param_store()


def test_rows_of_data_have_latents_of_their_own():
    network = quad()
    table = pd.DataFrame({"d": [2.0, 0.0, -1.0]})
    program, data = continuous_program(network, {**table, "b": 0.1})
    tree = quick_infer(program, data)
    assert tree.posterior["a"].dims == ("chain", "draw", "row")
    for row, value in enumerate(table["d"]):
        exact = condition_gaussian(network, {"d": value, "b": 0.1})
        place = exact.names.index("a")
        drawn = tree.posterior["a"].isel(row=row)
        assert_close(drawn, exact.mean[place], exact.standard_deviations[place])


def test_a_table_serves_as_data():
    program, data = continuous_program(linear_model(), pd.DataFrame({"x3": [10.0, 0.0]}))
    assert data["x3"].dtype == torch.float64
    assert pyro.poutine.trace(program).get_trace(**data).nodes["x1"]["value"].shape == (2,)


def test_deterministic_nodes_are_computed_and_cannot_be_observed():
    network = GaussianNetwork(("x", "y"), ((), (0,)), [0, 1], ([], [2]), [1, 0], "copy")
    drawn = gaussian_program(network)()
    torch.testing.assert_close(drawn["y"], 2 * drawn["x"] + 1)
    with pytest.raises(DataError, match="'y' is a function of its parents"):
        continuous_program(network, {"y": 3.0})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"e": 1.0}, "no node 'e'"),
        ({"a": "high"}, "'a' are no numbers"),
        ({"a": [1.0, np.nan]}, "'a' hold missing values"),
        ({"a": [1.0, 2.0], "b": [1.0]}, "a has 2, b has 1"),
        ([1.0], "must map nodes to values, not be list"),
    ],
)
def test_bad_data_are_named(data, words):
    with pytest.raises(DataError, match=words):
        continuous_program(quad(), data)


def test_only_continuous_networks():
    with pytest.raises(ModelError, match="dict is no continuous network"):
        continuous_program({}, {})


def test_functional_network_with_a_latent_has_the_conjugate_posterior(functional):
    model = functional(
        [("rate", "count"), ("count", "signal")],
        {
            "rate": lambda _: dist.Gamma(2.0, 1.0),
            "count": lambda p: dist.Poisson(p["rate"]),
            "signal": lambda p: dist.Normal(p["count"] * 1.0, 1.0),
        },
    )
    program, data = continuous_program(model, {"count": np.array([3, 0]), "signal": [1.0, 2.0]})
    tree = quick_infer(program, data)
    for row, count in enumerate((3, 0)):  # Gamma(2 + count, 2)
        drawn = tree.posterior["rate"].isel(row=row)
        assert_close(drawn, (2 + count) / 2, np.sqrt(2 + count) / 2)


def test_functional_network_agrees_with_its_linear_twin(functional):
    model = functional(
        [("x1", "x2"), ("x2", "x3")],
        {
            "x1": lambda _: dist.Normal(1.0, 2.0),
            "x2": lambda p: dist.Normal(-5 + 0.5 * p["x1"], 2.0),
            "x3": lambda p: dist.Normal(4 - p["x2"], 3**0.5),
        },
    )
    program, data = continuous_program(model, {"x3": 10.0})
    tree = quick_infer(program, data)
    exact = condition_gaussian(read_gaussian(linear_model()), {"x3": 10.0})
    for k, label in enumerate(exact.labels()):
        assert_close(tree.posterior[label], exact.mean[k], exact.standard_deviations[k])


def test_a_wrong_bridge_would_be_noticed(functional):
    model = functional([], {"x": lambda _: dist.Normal(0.0, 1.0)})
    tree = quick_infer(*continuous_program(model, {}))
    with pytest.raises(AssertionError):
        assert_close(tree.posterior["x"], 0.2, 1.0)


def only_none(parents):
    assert parents is None
    return dist.Normal(0.0, 1.0)


def only_mapping(parents):
    assert dict(parents) == {}
    return dist.Normal(0.0, 1.0)


@pytest.mark.parametrize("root", [only_none, only_mapping])
@pytest.mark.parametrize("vectorized", [True, False])
def test_both_conventions_for_roots(functional, root, vectorized):
    functions = {"x": root, "y": lambda p: dist.Normal(p["x"], 1.0)}
    model = functional([("x", "y")], functions, vectorized)
    program, data = continuous_program(model, {"y": [1.0, 2.0, 3.0]})
    assert program(**data)["x"].shape == (3,)


def test_parameters_stay_fixed(functional):
    def child(parents):
        return dist.Normal(parents["x"] * pyro.param("slope", torch.tensor(2.0)), 0.5)

    model = functional([("x", "y")], {"x": lambda _: dist.Normal(0.0, 1.0), "y": child})
    tree = quick_infer(*continuous_program(model, {"y": 2.0}))
    precision = 1 + 4 / 0.25
    assert_close(tree.posterior["x"], 2.0 * 2.0 / 0.25 / precision, precision**-0.5)
    assert "slope" not in pyro.get_param_store()


def test_priors_of_the_mcmc_estimator(functional):
    model = functional(
        [("x", "y")],
        {
            "x": lambda priors, parents: dist.Normal(priors["centre"], 1.0),
            "y": lambda priors, parents: dist.Normal(parents["x"], 1.0),
        },
    )
    with pytest.raises(ModelError, match=r"'x' takes \(priors, parents\): pass prior_fn"):
        functional_program(model)
    program = functional_program(model, lambda: {"centre": dist.Normal(0.0, 1.0)})
    tree = quick_infer(program, {"y": torch.tensor([3.0, 5.0])})
    precision = 1 + 2 / 2  # y ~ Normal(centre, sqrt 2)
    assert_close(tree.posterior["centre"], 8 / 2 / precision, precision**-0.5)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda p: p["x"] + 1.0, "'y' returned Tensor"),
        (lambda p: dist.Normal(p["z"], 1.0), "node 'y'.*KeyError"),
        (lambda p: dist.Normal(1.0 if p["x"] > 0 else 0.0, 1.0), "node 'y'.*torch.where"),
    ],
)
def test_functions_that_cannot_work_are_named(functional, function, words):
    functions = {"x": lambda _: dist.Normal(0.0, 1.0), "y": function}
    model = functional([("x", "y")], functions)
    with pytest.raises(ModelError, match=words):
        continuous_program(model, {"y": [1.0, 2.0]})


def test_missing_and_mismatched_functional_cpds(functional):
    model = functional([("x", "y")], {"x": lambda _: dist.Normal(0.0, 1.0)})
    with pytest.raises(ModelError, match="'y' has no CPD"):
        functional_program(model)
    model = functional([], {"x": lambda _: dist.Normal(0.0, 1.0)})
    model.add_edge("w", "x")
    with pytest.raises(ModelError, match=r"'w' has no CPD|'x' has the parents \[\]"):
        functional_program(model)
