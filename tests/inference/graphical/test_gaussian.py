"""Exact conditioning of linear-Gaussian networks, against formulas, pgmpy and bundled networks."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import probgen.inference.graphical.gaussian as module
from probgen.declare.networks.gaussian_network import GaussianNetwork, read_gaussian
from probgen.errors import DataError, EvidenceError
from probgen.inference.graphical.gaussian import condition_gaussian

BUNDLED = ("ecoli70", "magic-niab", "magic-irri", "arth150")


def random_network(nodes: int, seed: int, fixed: tuple[int, ...] = ()) -> GaussianNetwork:
    """A random network whose order of names is not topological."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(nodes)
    parents: list[tuple[int, ...]] = [()] * nodes
    for k, v in enumerate(order):
        count = min(k, int(rng.integers(0, 4)))
        parents[v] = tuple(int(p) for p in rng.choice(order[:k], count, replace=False))
    deviations = rng.uniform(0.3, 2.0, nodes)
    deviations[list(fixed)] = 0.0
    return GaussianNetwork(
        tuple(f"x{v}" for v in range(nodes)),
        tuple(parents),
        rng.normal(size=nodes),
        tuple(rng.normal(size=len(p)) for p in parents),
        deviations,
        "random",
    )


def by_formula(network: GaussianNetwork, evidence: dict[str, float]):
    """Posterior mean and covariance by the Schur complement, and the log density of evidence."""
    mean, covariance = network.joint()
    seen = [network.position[name] for name in evidence]
    free = [v for v in range(len(mean)) if v not in seen]
    gap = np.array(list(evidence.values())) - mean[seen]
    gain = covariance[np.ix_(free, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    rest = covariance[np.ix_(free, free)] - gain @ covariance[np.ix_(seen, free)]
    logs = multivariate_normal(np.zeros(len(seen)), covariance[np.ix_(seen, seen)]).logpdf(gap)
    return mean[free] + gain @ gap, rest, logs


@pytest.mark.parametrize("seed", range(5))
def test_joint_is_the_law_of_the_equations(seed):
    network = random_network(12, seed, fixed=(3,))
    mean, covariance = network.joint()
    rng = np.random.default_rng(seed)
    count = 20_000
    x = np.zeros((count, 12))
    for v in network.order:
        noise = network.standard_deviations[v] * rng.normal(size=count)
        given = x[:, list(network.parents[v])] @ network.coefficients[v]
        x[:, v] = network.intercepts[v] + given + noise
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(x.mean(axis=0) - mean) < 5 * spread / np.sqrt(count) + 1e-12).all()
    scale = np.outer(spread, spread) + 1e-12
    error = np.sqrt((scale**2 + covariance**2) / count)
    assert (np.abs(np.cov(x.T) - covariance) < 5 * error).all()


@pytest.mark.parametrize("seed", range(5))
def test_conditioning_agrees_with_the_schur_complement(seed):
    network = random_network(15, seed)
    evidence = {f"x{v}": float(v) / 5 for v in (1, 4, 7, 11)}
    posterior = condition_gaussian(network, evidence)
    mean, covariance, log_evidence = by_formula(network, evidence)
    np.testing.assert_allclose(posterior.mean, mean, atol=1e-9)
    np.testing.assert_allclose(posterior.covariance, covariance, atol=1e-9)
    np.testing.assert_allclose(
        posterior.standard_deviations, np.sqrt(np.diag(covariance)), atol=1e-9
    )
    assert posterior.log_evidence == pytest.approx(log_evidence, abs=1e-9)


def test_a_wrong_projection_would_be_noticed(monkeypatch):
    monkeypatch.setattr(module, "_complement", lambda known: np.eye(known.shape[1]))
    network = random_network(15, 0)
    evidence = {"x1": 0.5, "x4": 1.0}
    covariance = by_formula(network, evidence)[1]
    assert np.abs(condition_gaussian(network, evidence).covariance - covariance).max() > 0.01


def test_draws_have_the_posterior_and_follow_the_seed():
    network = random_network(10, 3, fixed=(2,))
    posterior = condition_gaussian(network, {"x0": 1.0, "x5": -1.0})
    draws = posterior.draw(4, 5000, seed=-7)
    assert draws.shape == (4, 5000, 8)
    flat = draws.reshape(-1, 8)
    error = posterior.standard_deviations / np.sqrt(len(flat))
    assert (np.abs(flat.mean(axis=0) - posterior.mean) < 5 * error + 1e-12).all()
    spread = posterior.standard_deviations
    bound = 5 * np.sqrt(2 / len(flat)) * (np.outer(spread, spread) + 1e-12)
    assert (np.abs(np.cov(flat.T) - posterior.covariance) < bound).all()
    np.testing.assert_array_equal(draws, posterior.draw(4, 5000, seed=-7))
    np.testing.assert_array_equal(draws[:2], posterior.draw(2, 5000, seed=-7))
    assert not np.array_equal(draws[0], draws[1])
    assert posterior.draw(2, 0, seed=2**70).shape == (2, 0, 8)


def copies() -> GaussianNetwork:
    """Y is 2 x + 1 exactly, z is noisy about y, k is a constant."""
    return GaussianNetwork(
        ("z", "y", "x", "k"),
        ((1,), (2,), (), ()),
        [0.0, 1.0, 0.0, 4.0],
        ([1.0], [2.0], [], []),
        [1.0, 0.0, 3.0, 0.0],
        "copies",
    )


def test_deterministic_nodes_follow_their_parents():
    posterior = condition_gaussian(copies(), {"y": 5.0})
    assert posterior.names == ("z", "x", "k")
    np.testing.assert_allclose(posterior.mean, [5.0, 2.0, 4.0], atol=1e-12)
    np.testing.assert_allclose(posterior.covariance, np.diag([1.0, 0.0, 0.0]), atol=1e-12)
    assert posterior.log_evidence == pytest.approx(multivariate_normal(1, 36).logpdf(5))
    draws = posterior.draw(1, 10, 0)
    np.testing.assert_allclose(draws[..., 1], 2.0)


def test_consistent_evidence_on_a_determined_node_changes_nothing():
    once = condition_gaussian(copies(), {"x": 2.0, "z": 4.0})
    twice = condition_gaussian(copies(), {"x": 2.0, "z": 4.0, "y": 5.0, "k": 4.0})
    assert twice.log_evidence == pytest.approx(once.log_evidence)
    assert twice.names == ()
    assert twice.mean.shape == (0,)
    assert twice.draw(2, 3, 0).shape == (2, 3, 0)


@pytest.mark.parametrize(
    ("evidence", "error", "words"),
    [
        ({"x": 2.0, "y": 5.1}, EvidenceError, "y=5.1.*make it 5"),
        ({"k": 3.0}, EvidenceError, "k=3"),
        ({"w": 1.0}, DataError, "no node 'w'"),
        ({"x": float("nan")}, DataError, "x=nan"),
        ({"x": "high"}, DataError, "x='high'"),
    ],
)
def test_bad_evidence_is_named(evidence, error, words):
    with pytest.raises(error, match=words):
        condition_gaussian(copies(), evidence)


def test_no_evidence_and_no_nodes():
    posterior = condition_gaussian(copies(), {"x": None})
    np.testing.assert_allclose(posterior.covariance, copies().joint()[1])
    assert posterior.log_evidence == 0.0
    empty = GaussianNetwork((), (), [], (), [], "empty")
    assert condition_gaussian(empty).draw(2, 3, 0).shape == (2, 3, 0)


def test_many_nearly_equal_observations_stay_accurate():
    count = 400
    names = ("mu", *(f"y{k}" for k in range(count)))
    network = GaussianNetwork(
        names,
        ((), *(((0,),) * count)),
        np.zeros(count + 1),
        ([], *([[1.0]] * count)),
        np.concatenate([[100.0], np.full(count, 1e-3)]),
    )
    posterior = condition_gaussian(network, dict.fromkeys(names[1:], 7.0))
    precision = 1e-4 + count * 1e6
    assert posterior.mean[0] == pytest.approx(7.0 * count * 1e6 / precision, rel=1e-9)
    assert posterior.standard_deviations[0] == pytest.approx(precision**-0.5, rel=1e-6)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_networks_agree_with_pgmpy(name):
    import networkx as nx
    from pgmpy.models import LinearGaussianBayesianNetwork

    path = files("pgmpy") / f"utils/example_models/{name}.json"
    if not path.is_file():
        pytest.skip(f"this pgmpy has no {name}")
    model = LinearGaussianBayesianNetwork.load(str(path))
    network = read_gaussian(model)
    mean, covariance = network.joint()
    order = [network.position[node] for node in nx.topological_sort(model)]
    theirs = model.to_joint_gaussian()  # rounded to 8 places by pgmpy
    np.testing.assert_allclose(mean[order], theirs[0], atol=1e-8)
    np.testing.assert_allclose(covariance[np.ix_(order, order)], theirs[1], atol=1e-8)
    table = model.simulate(n_samples=2, seed=1)
    seen = list(table.columns)[::3]
    names, means, spread = model.predict_probability(table[seen])
    for row in range(2):
        posterior = condition_gaussian(network, table[seen].iloc[row].to_dict())
        place = [posterior.names.index(node) for node in names]
        np.testing.assert_allclose(posterior.mean[place], means[row], atol=1e-5)
        np.testing.assert_allclose(posterior.covariance[np.ix_(place, place)], spread, atol=1e-6)
