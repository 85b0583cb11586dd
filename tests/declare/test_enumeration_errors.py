"""Programs whose discrete sites cannot be summed out, and what the dry run says of the others."""

from __future__ import annotations

import re

import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.declare.program import read_program
from probgen.errors import ModelError, TooLargeError
from tests.declare.enumerable_programs import PROGRAMS, Y

REFUSED = {}


def refused(match, kind=ModelError):
    def register(model):
        REFUSED[model.__name__] = (model, match, kind)
        return model

    return register


@refused("'n' cannot be summed out: Poisson has infinitely many values .*Truncate it")
def infinite():
    rate = pyro.sample("rate", dist.Gamma(1.0, 1.0))
    n = pyro.sample("n", dist.Poisson(rate))
    pyro.sample("y", dist.Normal(n, 1.0), obs=torch.tensor(2.0))


@refused("'n' cannot be summed out: Multinomial has more values .*Categorical sites in a plate")
def multinomial():
    n = pyro.sample("n", dist.Multinomial(5, torch.ones(3) / 3))
    pyro.sample("y", dist.Normal(n[..., 0], 1.0), obs=torch.tensor(2.0))


@refused("'z' .*has 2 \\*\\* 30 values, too many")
def long_event():
    z = pyro.sample("z", dist.Bernoulli(0.5).expand([30]).to_event(1))
    pyro.sample("y", dist.Normal(z.sum(-1), 1.0), obs=torch.tensor(2.0))


@refused("'n' .*different values")
def ragged_counts():
    with pyro.plate("i", 2):
        n = pyro.sample("n", dist.Binomial(torch.tensor([2.0, 3.0]), 0.5))
        pyro.sample("y", dist.Normal(n, 1.0), obs=torch.tensor([2.0, 1.0]))


@refused("(?s)'z' cannot be summed out: the program looks at its value in Python")
def branching():
    z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("y", dist.Normal(1.0 if z else 0.0, 1.0), obs=torch.tensor(2.0))


@refused("(?s)IndexError .*to sum them out: index with them by pyro.ops.indexing.Vindex")
def chosen_by_mask():
    with pyro.plate("i", 4):
        z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("y", dist.Normal(Y[z.bool()].sum(), 1.0), obs=torch.tensor(2.0))


@refused("'y' .*depends on several elements of the discrete latent site 'z'")
def sum_of_elements():
    with pyro.plate("i", 4):
        z = pyro.sample("z", dist.Bernoulli(0.5))
    pyro.sample("y", dist.Normal(z.sum(), 1.0), obs=torch.tensor(2.0))


@refused("'y' does not fit all values of discrete latent site 'z'|(while|once).*Vindex")
def neighbours():
    with pyro.plate("i", 4):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        pyro.sample("y", dist.Normal(z + z.roll(1, -1), 1.0), obs=Y)


@refused("Vindex")
def chained_index():
    table = torch.tensor([[0.1, 0.9], [0.4, 0.6]])
    a = pyro.sample("a", dist.Categorical(torch.ones(2)))
    b = pyro.sample("b", dist.Categorical(torch.ones(2)))
    pyro.sample("y", dist.Normal(table[a][b], 0.1), obs=torch.tensor(0.3))


@refused("depends on .* discrete latent sites .*too many", ModelError)
def accumulated():
    total = torch.zeros(())
    for t in range(40):
        total = total + pyro.sample(f"z_{t}", dist.Bernoulli(0.5))
        pyro.sample(f"y_{t}", dist.Normal(total, 1.0), obs=torch.tensor(1.0))


@refused("needs a table of .* entries", TooLargeError)
def everything_meets():
    parts = [pyro.sample(f"z_{t}", dist.Categorical(torch.ones(20))) for t in range(7)]
    pyro.sample("y", dist.Normal(sum(parts), 1.0), obs=torch.tensor(1.0))


@refused("live in different plates and meet in one site")
def crossing_plates():
    with pyro.plate("rows", 3, dim=-2):
        a = pyro.sample("a", dist.Bernoulli(0.5))
    with pyro.plate("columns", 2, dim=-1):
        b = pyro.sample("b", dist.Bernoulli(0.5))
    with pyro.plate("r", 3, dim=-2), pyro.plate("c", 2, dim=-1):
        pyro.sample("y", dist.Normal(a + b, 1.0), obs=torch.zeros(3, 2))


@refused("The support of site 'x' depends on discrete latent site 'z'")
def moving_support():
    z = pyro.sample("z", dist.Bernoulli(0.5))
    x = pyro.sample("x", dist.Uniform(0.0, 1.0 + z))
    pyro.sample("y", dist.Normal(x, 1.0), obs=torch.tensor(0.3))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_summed_out_is_named_with_its_cure(name):
    model, match, kind = REFUSED[name]
    with pytest.raises(kind, match=match):
        _ = read_program(model).enumeration
    report = pg.check(model)
    assert not report.ok
    texts = [f"{problem.message} {problem.cure}" for problem in report.errors]
    assert any(re.search(match, text, re.DOTALL) for text in texts)


def test_the_dry_run_says_what_is_summed_out():
    report = pg.check(*PROGRAMS["plain_chain"])
    assert report.ok
    text = " ".join(str(report).split())
    assert "Summed out of the density exactly: the 4 sites 'z_0' ... 'z_3' (2 states each)" in text
    assert "the largest table has 4 entries" in text
    assert "they have 1 log likelihood in all, under the name 'y'" in text


def test_impossible_states_are_no_fault():
    assert pg.check(*PROGRAMS["impossible_states"]).ok


def test_long_series_of_sites_are_folded():
    def model():
        p = pyro.sample("p", dist.Beta(2.0, 2.0))
        for t in range(9):
            pyro.sample(f"z_{t}", dist.Bernoulli(p))

    rows = [line.split("  ")[0] for line in str(pg.check(model)).split("\n\n")[-2].splitlines()]
    assert rows == ["site", "p", "z_0", "z_1", "... 6 more", "z_8"]
    assert "summed out" in str(pg.check(model))
