"""Draws from priors, of programs and networks: distributions, groups, seeds, errors."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

from probgen.errors import ModelError, OptionError, TooLargeError
from probgen.inference import predictive
from probgen.inference.prior import prior

X = torch.tensor([0.0, 1.0, 2.0])
DATA = {"x": X, "counts": torch.tensor([1.0, 0.0, 4.0])}


def counts_model(x, counts=None):
    level = pyro.sample("level", dist.Normal(0.0, 0.5))
    slope = pyro.sample("slope", dist.Exponential(2.0))
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(2)))
    pyro.deterministic("double", 2 * slope)
    with pyro.plate("row", len(x)):
        kind = pyro.sample("kind", dist.Categorical(weights))
        rate = (level + slope * x * kind).exp()
        pyro.sample("y", dist.Poisson(rate), obs=counts)


def test_groups_dimensions_and_types():
    tree = prior(counts_model, DATA, draws=30, chains=2, coords={"row": ["a", "b", "c"]})
    assert set(tree.children) == {"prior", "prior_predictive", "observed_data", "constant_data"}
    assert list(tree["prior"].data_vars) == ["level", "slope", "weights", "double", "kind"]
    assert tree["prior"]["kind"].dims == ("chain", "draw", "row")
    assert tree["prior"].sizes["chain"] == 2
    assert tree["prior"].sizes["draw"] == 30
    for group in ("prior_predictive", "observed_data"):
        assert tree[group]["y"].dtype == np.int64, group
        assert list(tree[group]["row"].values) == ["a", "b", "c"]
    assert list(tree["constant_data"].data_vars) == ["x"]  # `counts` is what y observed
    assert tree["constant_data"]["x"].dims == ("row",)
    np.testing.assert_array_equal(tree["prior"]["double"], 2 * tree["prior"]["slope"])


def distances(tree, shift=0.0):
    """Kolmogorov-Smirnov p values of the draws against what was declared."""
    draws = {name: v.values.ravel() for name, v in tree["prior"].data_vars.items()}
    return [
        stats.kstest(draws["level"] + shift, stats.norm(0, 0.5).cdf).pvalue,
        stats.kstest(draws["slope"] + shift, stats.expon(scale=0.5).cdf).pvalue,
        stats.kstest(tree["prior"]["weights"].values[..., 0].ravel() + shift, "uniform").pvalue,
    ]


def test_draws_follow_the_prior_and_a_shift_would_be_noticed():
    tree = prior(counts_model, DATA, draws=4000, seed=5)
    assert min(distances(tree)) > 1e-4
    assert max(distances(tree, shift=0.05)) < 1e-4


def test_rows_are_independent_whether_run_together_or_not():
    def unbatchable(x, counts=None):
        level = pyro.sample("level", dist.Normal(0.0, 0.5))
        if float(level) > 100:
            return
        pyro.sample("slope", dist.Exponential(2.0))
        pyro.sample("weights", dist.Dirichlet(torch.ones(2)))

    for program in (counts_model, unbatchable):
        tree = prior(program, DATA, draws=600, seed=1)
        level, slope = (tree["prior"][name].values.ravel() for name in ("level", "slope"))
        assert len(np.unique(level)) == 600
        assert abs(np.corrcoef(level[1:], level[:-1])[0, 1]) < 0.2
        assert abs(np.corrcoef(level, slope)[0, 1]) < 0.2
        assert min(distances(tree)) > 1e-4


def test_the_same_seed_gives_the_same_draws():
    first, again, other = (prior(counts_model, DATA, draws=20, seed=s) for s in (3, 3, 4))
    assert first["prior"].equals(again["prior"])
    assert first["prior_predictive"].equals(again["prior_predictive"])
    assert not first["prior"].equals(other["prior"])


def test_any_integer_is_a_seed_and_none_takes_one():
    prior(counts_model, DATA, draws=2, seed=-(10**30))
    tree = prior(counts_model, DATA, draws=2, seed=None)
    again = prior(counts_model, DATA, draws=2, seed=int(tree.attrs["seed"]))
    assert tree["prior"].equals(again["prior"])
    with pytest.raises(OptionError, match="seed='a'"):
        prior(counts_model, DATA, seed="a")


def test_random_states_of_the_user_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    prior(counts_model, DATA, draws=5)
    assert torch.rand(1) == expected


def test_an_improper_prior_is_refused_by_name():
    def improper(y=None):
        flat = dist.ImproperUniform(dist.constraints.real, (), ())
        mu = pyro.sample("mu", flat)
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    with pytest.raises(ModelError, match="Site 'mu' cannot be simulated"):
        prior(improper, {"y": torch.tensor(1.0)})


def test_wrong_numbers_and_sizes_are_refused(monkeypatch):
    with pytest.raises(OptionError, match="draws=-1"):
        prior(counts_model, DATA, draws=-1)

    def wide():
        pyro.sample("mu", dist.Normal(0.0, 1.0).expand([10**6]).to_event(1))

    with pytest.raises(TooLargeError, match="mu would take 8e\\+06 GB"):
        prior(wide, draws=10**9)
    assert predictive.bytes_of({}, [], 3) == 0


def test_blocks_bound_memory_and_do_not_change_what_is_drawn(monkeypatch):
    from probgen.declare import batched_draws, replay

    sizes = []
    vmap = torch.vmap

    def noted(function, **options):
        batched = vmap(function, **options)

        def run(values):
            sizes.append(len(values[""]))
            return batched(values)

        return run

    monkeypatch.setattr(replay.torch, "vmap", noted)
    monkeypatch.setattr(batched_draws, "_BYTES", 20_000)
    tree = prior(counts_model, DATA, draws=500, seed=5)
    assert len(sizes) > 3
    assert sum(sizes) == 500
    assert len(np.unique(tree["prior"]["level"])) == 500
    assert min(distances(tree)) > 1e-4
