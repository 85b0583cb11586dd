"""Pyro programs with discrete latent sites, each with data, small enough to sum by brute force.

`PROGRAMS` maps a name to the program and its data. `brute_force` sums the joint density of a
program over every combination of the values of its discrete sites, each set one by one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import config_enumerate
from pyro.ops.indexing import Vindex

from probgen.declare.placing import PlaceUnconstrained, fill_masked
from probgen.declare.program import Program
from probgen.declare.sites import sample_sites, site_kind

PROGRAMS: dict[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {}
Y = torch.tensor([-1.0, 0.3, 2.5, 0.9], dtype=torch.float64)
ROWS = torch.tensor([[0.2, -1.0, 1.4], [2.0, 0.1, -0.3]], dtype=torch.float64)


def program(**data: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(model: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[model.__name__] = (model, data)
        return model

    return register


def _locations(states: int) -> torch.Tensor:
    with pyro.plate("state", states):
        return pyro.sample("loc", dist.Normal(0.0, 2.0))


@program(y=Y)
def mixture(y):
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(3)))
    loc = _locations(3)
    with pyro.plate("n", len(y)):
        z = pyro.sample("z", dist.Categorical(weights))
        pyro.deterministic("mean", loc[z])
        pyro.sample("y", dist.Normal(loc[z], 1.0), obs=y)


@program(y=Y)
@config_enumerate
def annotated(y):
    mixture(y)


@program(y=Y)
def sequential_annotation(y):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    flip = pyro.sample("flip", dist.Bernoulli(p), infer={"enumerate": "sequential"})
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal(flip * 2.0, 1.0), obs=y)


@program(y=Y)
def markov_chain(y):
    with pyro.plate("state", 2):
        rows = pyro.sample("rows", dist.Dirichlet(torch.ones(2)))
        loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
    z = 0
    for t in pyro.markov(range(len(y))):
        z = pyro.sample(f"z_{t}", dist.Categorical(rows[z]))
        pyro.sample(f"y_{t}", dist.Normal(loc[z], 1.0), obs=y[t])


@program(y=Y)
def chain_with_its_path(y):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    z, path = torch.tensor(0.0), []
    for t in range(len(y)):
        z = pyro.sample(f"z_{t}", dist.Bernoulli(0.2 + 0.5 * p * z))
        pyro.sample(f"y_{t}", dist.Normal(2.0 * z, 1.0), obs=y[t])
        path.append(z)
    pyro.deterministic("path", torch.stack(path, -1))


@program(y=Y)
def plain_chain(y):
    with pyro.plate("state", 2):
        rows = pyro.sample("rows", dist.Dirichlet(torch.ones(2)))
        loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
    z = pyro.sample("z_0", dist.Categorical(torch.ones(2) / 2))
    for t in range(len(y)):
        if t:
            z = pyro.sample(f"z_{t}", dist.Categorical(rows[z]))
        pyro.sample(f"y_{t}", dist.Normal(loc[z], 1.0), obs=y[t])


@program(y=Y)
def second_order_chain(y):
    table = pyro.sample("table", dist.Dirichlet(torch.ones(2, 2, 2)).to_event(2))
    loc = _locations(2)
    before, z = torch.tensor(0), torch.tensor(1)
    for t in pyro.markov(range(len(y)), history=2):
        now = pyro.sample(f"z_{t}", dist.Categorical(Vindex(table)[before, z]))
        before, z = z, now
        pyro.sample(f"y_{t}", dist.Normal(loc[z], 1.0), obs=y[t])


@program(rows=ROWS, lengths=torch.tensor([3, 2]))
def ragged_chains(rows, lengths):
    with pyro.plate("state", 2):
        move = pyro.sample("move", dist.Dirichlet(torch.ones(2)))
        loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
    with pyro.plate("sequences", 2):
        z = 0
        for t in pyro.markov(range(3)):
            with poutine.mask(mask=t < lengths):
                z = pyro.sample(f"z_{t}", dist.Categorical(move[z]))
                pyro.sample(f"y_{t}", dist.Normal(loc[z], 1.0), obs=rows[:, t])


@program(
    sequences=torch.tensor([[[1, 0], [0, 1]], [[1, 1], [0, 0]]]), lengths=torch.tensor([2, 1])
)
def tones(sequences, lengths):
    """The first hidden Markov model of Pyro's examples, with a plate for the tones."""
    count, length, width = sequences.shape
    move = pyro.sample("move", dist.Dirichlet(0.9 * torch.eye(2) + 0.1).to_event(1))
    keys = pyro.sample("keys", dist.Beta(0.8, 0.9).expand([2, width]).to_event(2))
    tones_plate = pyro.plate("tones", width, dim=-1)
    with pyro.plate("sequences", count, dim=-2) as batch:
        batch = batch[:, None]
        x = 0
        for t in pyro.markov(range(length)):
            with poutine.mask(mask=(t < lengths).unsqueeze(-1)):
                x = pyro.sample(
                    f"x_{t}", dist.Categorical(move[x]), infer={"enumerate": "parallel"}
                )
                with tones_plate:
                    pyro.sample(
                        f"y_{t}",
                        dist.Bernoulli(keys[x.squeeze(-1)]),
                        obs=sequences[:, t],
                    )


@program(y=Y)
def factorial_chains(y):
    p = pyro.sample("p", dist.Beta(torch.ones(2), torch.ones(2)).to_event(1))
    q = pyro.sample("q", dist.Beta(torch.ones(2), torch.ones(2)).to_event(1))
    a = b = torch.tensor(0)
    for t in range(3):
        a = pyro.sample(f"a_{t}", dist.Bernoulli(p[a])).long()
        b = pyro.sample(f"b_{t}", dist.Bernoulli(q[b])).long()
        pyro.sample(f"y_{t}", dist.Normal(a + 2.0 * b, 1.0), obs=y[t])


@program(rows=ROWS[:, :2])
def nested_plates(rows):
    """A class for every group, and one for every member that depends on it."""
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    table = pyro.sample("table", dist.Dirichlet(torch.ones(2, 3)).to_event(1))
    loc = _locations(3)
    with pyro.plate("groups", 2, dim=-2):
        g = pyro.sample("g", dist.Bernoulli(p))
        with pyro.plate("members", 2, dim=-1):
            z = pyro.sample("z", dist.Categorical(table[g.long()]))
            pyro.sample("y", dist.Normal(loc[z], 1.0), obs=rows)


@program(rows=ROWS)
def far_plates(rows):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    with pyro.plate("groups", 2, dim=-4):
        g = pyro.sample("g", dist.Bernoulli(p))
        with pyro.plate("members", 3, dim=-2):
            pyro.sample("y", dist.Normal(3.0 * g, 1.0), obs=rows[:, None, :, None])


@program(y=Y)
def global_class(y):
    """One discrete site for all data, beside one for each."""
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    loc = _locations(2)
    kind = pyro.sample("kind", dist.Categorical(torch.tensor([0.2, 0.8])))
    with pyro.plate("n", len(y)):
        z = pyro.sample("z", dist.Bernoulli(p))
        scale = torch.tensor([0.5, 2.0])[kind]
        pyro.sample("y", dist.Normal(loc[z.long()], scale), obs=y)


@program(y=Y)
def branching_tree(y):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    move = torch.stack([torch.stack([p, 1 - p]), torch.tensor([0.3, 0.7])])

    def grow(z, depth, name):
        z = pyro.sample(f"z{name}", dist.Categorical(move[z]))
        if depth:
            for child in range(2):
                grow(z, depth - 1, f"{name}_{child}")
        else:
            pyro.sample(f"y{name}", dist.Normal(2.0 * z, 1.0), obs=y[int(name[-1])])

    grow(torch.tensor(0), 2, "")


@program(captures=torch.tensor([[1, 0, 1], [0, 1, 0]]))
def cormack_jolly_seber(captures):
    """Capture and recapture, after Pyro's examples: alive or dead, seen or not."""
    phi = pyro.sample("phi", dist.Uniform(0.0, 1.0))
    rho = pyro.sample("rho", dist.Uniform(0.0, 1.0))
    with pyro.plate("animals", len(captures), dim=-1):
        z = torch.ones(len(captures))
        first = torch.zeros(len(captures)).bool()
        for t in pyro.markov(range(3)):
            with poutine.mask(mask=first):
                mu = first.float() * phi * z + (1 - first.float())
                z = pyro.sample(f"z_{t}", dist.Bernoulli(mu), infer={"enumerate": "parallel"})
                pyro.sample(f"y_{t}", dist.Bernoulli(rho * z), obs=captures[:, t])
            first = first | captures[:, t].bool()


@program(counts=torch.tensor([2, 0, 3]))
def binomial_thinning(counts):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    with pyro.plate("n", len(counts)):
        alive = pyro.sample("alive", dist.Binomial(4, 0.6))
        pyro.sample("seen", dist.Poisson(0.1 + p * alive), obs=counts)


@program(y=Y)
def one_hot(y):
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(3)))
    loc = pyro.sample("loc", dist.Normal(torch.zeros(3), 2.0).to_event(1))
    with pyro.plate("n", len(y)):
        z = pyro.sample("z", dist.OneHotCategorical(weights))
        pyro.sample("y", dist.Normal((z * loc).sum(-1), 1.0), obs=y)


@program(y=Y)
def one_event(y):
    """Two switches as one event, all four settings of which are tried."""
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    z = pyro.sample("z", dist.Bernoulli(p).expand([2]).to_event(1))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal((z * torch.tensor([1.0, 3.0])).sum(-1), 1.0), obs=y)


@program(y=Y)
def continuous_child(y):
    """A continuous latent site below a discrete one, a factor, and a scaled site."""
    loc = _locations(2)
    with pyro.plate("n", len(y)):
        z = pyro.sample("z", dist.Categorical(torch.tensor([0.3, 0.7])))
        x = pyro.sample("x", dist.Normal(loc[z], 1.0))
        pyro.factor("tilt", 0.3 * z * x)
        with poutine.scale(scale=0.5):
            pyro.sample("y", dist.Normal(x + z, 0.5), obs=y)


@program(y=torch.tensor([1.0, 0.0, 1.0, 1.0]), seen=torch.tensor([True, False, True, False]))
def imputed(y, seen):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    with pyro.plate("n", len(y)):
        full = pyro.sample("x", dist.Bernoulli(p), obs=y, obs_mask=seen)
        pyro.sample("y", dist.Normal(full * 2.0, 1.0), obs=Y)


@program(y=Y)
def loop_of_sites(y):
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    for i in pyro.plate("n", len(y)):
        z = pyro.sample(f"z_{i}", dist.Bernoulli(p))
        pyro.sample(f"y_{i}", dist.Normal(2.0 * z, 1.0), obs=y[i])


@program(y=Y)
def without_plate(y):
    """Independent elements that no plate declares."""
    p = pyro.sample("p", dist.Beta(2.0, 2.0))
    z = pyro.sample("z", dist.Bernoulli(p).expand([4]))
    pyro.sample("y", dist.Normal(2.0 * z, 1.0), obs=y)


@program(y=Y)
def only_discrete(y):
    z = pyro.sample("z", dist.Categorical(torch.tensor([0.2, 0.5, 0.3])))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal(z.double(), 1.0), obs=y)


@program(y=Y)
def impossible_states(y):
    """A chain that only moves up, with probabilities of exactly zero."""
    up = pyro.sample("up", dist.Beta(2.0, 2.0))
    low = torch.tensor(-torch.inf)
    logits = torch.stack(
        [torch.stack([torch.log1p(-up), up.log()]), torch.stack([low, torch.tensor(0.0)])]
    )
    z = torch.tensor(0)
    for t in range(len(y)):
        z = pyro.sample(f"z_{t}", dist.Categorical(logits=logits[z]))
        pyro.sample(f"y_{t}", dist.Normal(2.0 * z, 1.0), obs=y[t])


def joint(program: Program, point: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]):
    """A program's trace and log joint density with discrete sites at given values."""
    placed = PlaceUnconstrained(point, lambda message: values[message["name"]])
    trace = program.trace_with(placed)
    fill_masked(trace)
    trace.compute_log_prob()
    terms = placed.log_jacobian + [
        message["log_prob_sum"]
        for _, message in sample_sites(trace)
        if site_kind(message) != "deterministic"
    ]
    return trace, sum(terms[1:], start=terms[0])


def combinations(program: Program):
    """Every value of all discrete sites together, by name."""
    names, choices = [], []
    for variable in program.enumeration.variables:
        count = math.prod(variable.batch)
        names.append(variable)
        choices.append(list(itertools.product(range(variable.size), repeat=count)))
    for chosen in itertools.product(*choices):
        yield {
            variable.name: variable.states[torch.tensor(index, dtype=torch.long)].reshape(
                variable.batch + tuple(variable.states.shape[1:])
            )
            for variable, index in zip(names, chosen, strict=True)
        }


def brute_force(program: Program, point: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The log of the sum of the joint density over every combination."""
    with program.environment():
        terms = [joint(program, point, values)[1] for values in combinations(program)]
    return torch.logsumexp(torch.stack(terms), 0)
