"""Discrete sites drawn after the continuous ones: joint frequencies against brute force."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

import probgen as pg
from probgen.declare.discrete import tables
from probgen.declare.program import read_program
from probgen.targets.density import EagerDensityWarning, compile_density
from probgen.targets.discrete import recover, recovered_outputs
from tests.declare.enumerable_programs import PROGRAMS, combinations, joint

DRAWS = 20_000
COMPILED = ("ragged_chains", "nested_plates", "continuous_child", "impossible_states")


def eager(name):
    model, data = PROGRAMS[name]
    return compile_density(read_program(model, data), backend="eager")


def exact(density, q):
    """Every combination of values, as one tuple, with its probability given the rest."""
    program = density.program
    point = {name: torch.from_numpy(value) for name, value in density.split(q).items()}
    keys, terms = [], []
    with program.environment(), torch.no_grad():
        for values in combinations(program):
            keys.append(_key(values[v.name].numpy() for v in program.enumeration.variables))
            terms.append(float(joint(program, point, values)[1]))
    weights = np.exp(np.array(terms) - max(terms))
    return dict(zip(keys, weights / weights.sum(), strict=True))


def _key(values):
    return tuple(np.concatenate([np.ravel(value) for value in values]).astype(int).tolist())


def p_value(density, seed=5):
    """Of a chi-square test of drawn combinations, rare ones pooled; 0 for impossible ones."""
    q = np.random.default_rng(4).uniform(-1, 1, density.dim)
    probabilities = exact(density, q)
    drawn = recover(density, np.repeat(q[None], DRAWS, 0), seed)
    names = [variable.name for variable in density.program.enumeration.variables]
    counts = dict.fromkeys(probabilities, 0)
    columns = np.concatenate([drawn[name].reshape(DRAWS, -1) for name in names], 1)
    for row, count in zip(*np.unique(columns, axis=0, return_counts=True), strict=True):
        counts[tuple(row.tolist())] += count
    if any(counts[key] and not p for key, p in probabilities.items()):
        return 0.0
    common = [key for key, p in probabilities.items() if p * DRAWS > 10]
    seen = np.array([counts[key] for key in common] + [0.0])
    expected = np.array([probabilities[key] * DRAWS for key in common] + [0.0])
    seen[-1], expected[-1] = DRAWS - seen.sum(), DRAWS - expected.sum()
    kept = expected > 1
    statistic = ((seen - expected)[kept] ** 2 / expected[kept]).sum()
    return float(stats.chi2.sf(statistic, max(kept.sum() - 1, 1)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_joint_frequencies_are_those_of_brute_force(name):
    assert p_value(eager(name)) > 3e-7  # five sigma


def no_weighting_by_later_draws(table, scope, indices, rank):
    """Broken: what was drawn already is averaged over."""
    dims = [scope.index(v) - len(scope) - rank for v in indices]
    return torch.logsumexp(table, dims) if dims else table


@pytest.mark.parametrize("name", ["markov_chain", "nested_plates", "global_class"])
def test_a_sampler_without_backward_weighting_is_found_out(name, monkeypatch):
    density = eager(name)
    assert density.program.enumeration
    monkeypatch.setattr(tables, "entries_at", no_weighting_by_later_draws)
    assert p_value(density) < 1e-9


def test_shapes_types_and_seeds():
    density = eager("nested_plates")
    q = np.random.default_rng(1).normal(size=(7, density.dim))
    first, again, other = recover(density, q, 1), recover(density, q, 1), recover(density, q, 2)
    assert {name: value.shape for name, value in first.items()} == {
        "g": (7, 2, 1),
        "z": (7, 2, 2),
    }
    assert all(value.dtype == np.int64 for value in first.values())
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_draws_in_several_pieces(monkeypatch):
    density = eager("plain_chain")
    monkeypatch.setattr("probgen.targets.discrete._BYTES", 8 * 36 * 1000)
    assert p_value(density) > 3e-7


def test_deterministic_sites_are_computed_at_the_draws():
    density = eager("mixture")
    q = np.random.default_rng(1).normal(size=(50, density.dim))
    outputs = recovered_outputs(density, q, seed=3)
    loc = density.split(q)["loc"]
    np.testing.assert_allclose(
        outputs["deterministic:mean"], np.take_along_axis(loc, outputs["latent:z"], 1)
    )
    assert "deterministic:mean" not in density.outputs(q)


def test_a_path_is_put_together_from_the_draws():
    density = eager("chain_with_its_path")
    outputs = recovered_outputs(density, np.random.default_rng(1).normal(size=(50, 1)), seed=3)
    path = np.stack([outputs[f"latent:z_{t}"] for t in range(4)], -1)
    np.testing.assert_array_equal(outputs["deterministic:path"], path)


def test_a_program_that_vmap_cannot_run():
    def model():
        p = pyro.sample("p", dist.Beta(2.0, 2.0))
        z = pyro.sample("z", dist.Bernoulli(p))
        loc = float(p.detach() > 0.5)  # reads a value in Python
        pyro.sample("y", dist.Normal(loc + z, 1.0), obs=torch.tensor(0.3))

    density = compile_density(read_program(model), backend="eager")
    q = np.zeros((400, 1))
    expected = 1 / (1 + np.exp(-(0.3 - 0.5)))
    assert abs(recover(density, q, 1)["z"].mean() - expected) < 5 * 0.5 / 20


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_like_the_program(name):
    """Value, gradient and outputs are compared by the compiler, which then takes no other way."""
    model, data = PROGRAMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error", EagerDensityWarning)
        density = compile_density(read_program(model, data))
    q = np.random.default_rng(8).normal(size=density.dim)
    value, gradient = density.value_and_grad(q)
    expected, slopes = density.eager_value_and_grad(q)
    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-8, atol=1e-9)


def separated_mixture(y):
    weights = pyro.sample("weights", dist.Dirichlet(2.0 * torch.ones(3)))
    loc = pyro.sample("loc", dist.Normal(torch.tensor([-4.0, 0.0, 4.0]), 0.5).to_event(1))
    with pyro.plate("n", len(y)):
        z = pyro.sample("z", dist.Categorical(weights))
        pyro.deterministic("mean", loc[z])
        pyro.sample("y", dist.Normal(loc[z], 1.0), obs=y)


def test_a_mixture_from_end_to_end():
    rng = np.random.default_rng(2)
    classes = rng.integers(0, 3, 60)
    y = torch.from_numpy(np.array([-4.0, 0.0, 4.0])[classes] + rng.normal(size=60))
    with warnings.catch_warnings():
        warnings.simplefilter("error", EagerDensityWarning)
        tree = pg.infer(
            separated_mixture,
            pg.NUTS(),
            data={"y": y},
            chains=2,
            draws=1000,
            warmup=500,
            seed=3,
            progress=False,
        )
    posterior = tree["posterior"].dataset
    assert posterior["z"].dims == ("chain", "draw", "n")
    assert posterior["z"].dtype.kind == "i"
    assert "z" not in tree["unconstrained_posterior"].data_vars
    assert (posterior["z"].median(("chain", "draw")) == classes).mean() > 0.9
    # The exact probability of each class at each draw, averaged, is the frequency of its draws.
    loc, weights = posterior["loc"].values[..., None, :], posterior["weights"].values[..., None, :]
    score = weights * np.exp(-0.5 * (y.numpy()[:, None] - loc) ** 2)
    probability = score / score.sum(-1, keepdims=True)
    drawn = posterior["z"].values[..., None] == np.arange(3)
    error = np.sqrt((probability * (1 - probability)).sum((0, 1))) / 2000
    assert (np.abs(drawn.mean((0, 1)) - probability.mean((0, 1))) <= 5 * error + 1e-3).all()
    np.testing.assert_allclose(
        posterior["mean"].values,
        np.take_along_axis(posterior["loc"].values, posterior["z"].values, -1),
    )
    pointwise = tree["log_likelihood"]["y"]
    assert pointwise.dims == ("chain", "draw", "n")
    expected = np.log(score.sum(-1)) - 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(pointwise.values, expected, rtol=1e-9)
    predicted = pg.predict(tree, separated_mixture, {"y": y}, seed=4)["posterior_predictive"]
    residual = predicted["y"].values - posterior["mean"].values
    assert abs(residual.std() - 1.0) < 5 / math.sqrt(2 * residual.size)


def test_a_program_with_discrete_sites_alone_is_drawn_exactly():
    model, data = PROGRAMS["only_discrete"]
    tree = pg.infer(model, pg.NUTS(), data=data, chains=2, draws=2000, seed=1, progress=False)
    weights = np.array([0.2, 0.5, 0.3]) * [
        np.exp(-0.5 * ((data["y"].numpy() - z) ** 2).sum()) for z in range(3)
    ]
    evidence = math.log(weights.sum()) - 2 * math.log(2 * math.pi)
    assert float(tree["sample_stats"]["lp"][0, 0]) == pytest.approx(evidence)
    drawn = np.bincount(tree["posterior"]["z"].values.ravel(), minlength=3) / 4000
    expected = weights / weights.sum()
    assert (abs(drawn - expected) < 5 * np.sqrt(expected * (1 - expected) / 4000)).all()
    assert "drawn exactly" in str(tree.attrs["notes"])


def chain(y):
    rows = pyro.sample("rows", dist.Dirichlet(torch.tensor([[4.0, 1.0], [1.0, 4.0]])).to_event(1))
    loc = pyro.sample("loc", dist.Normal(torch.tensor([-2.0, 2.0]), 1.0).to_event(1))
    z = torch.tensor(0)
    for t in range(len(y)):
        z = pyro.sample(f"z_{t}", dist.Categorical(rows[z]))
        pyro.sample(f"y_{t}", dist.Normal(loc[z], 1.0), obs=y[t])


@pytest.mark.slow
def test_a_long_chain_from_end_to_end():
    rng = np.random.default_rng(2)
    states = [0]
    for _ in range(199):
        states.append(int(rng.random() < (0.1, 0.8)[states[-1]]))
    y = torch.from_numpy(np.array([-2.0, 2.0])[states] + rng.normal(size=200))
    with warnings.catch_warnings():
        warnings.simplefilter("error", EagerDensityWarning)
        tree = pg.infer(chain, pg.NUTS(), data={"y": y}, seed=3, progress=False)
    posterior = tree["posterior"].dataset
    assert tree["log_likelihood"]["y"].dims == ("chain", "draw")
    means = np.array([posterior[f"z_{t}"].values.mean() for t in range(200)])
    assert ((means > 0.5) == states).mean() > 0.95
    # Transitions drawn and the transition probabilities drawn beside them tell the same story.
    path = np.stack([posterior[f"z_{t}"].values for t in range(200)], -1)
    rows = posterior["rows"].values
    stays = ((path[..., 1:] == 0) & (path[..., :-1] == 0)).sum(-1)
    leaves = ((path[..., 1:] == 1) & (path[..., :-1] == 0)).sum(-1)
    # Given the path, the first row is a Dirichlet; its first state starts from row 0, too.
    first = path[..., 0] == 0
    a, b = 4.0 + stays + first, 1.0 + leaves + ~first
    uniform = stats.beta.cdf(rows[..., 0, 0], a, b)
    assert abs(uniform.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 1000)
