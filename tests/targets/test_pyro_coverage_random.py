"""Pyro programs drawn at random, compiled and held against the programs themselves.

Sites of many supports in crossed plates depend on each other through functions, group indices
and broadcasting; some are masked, scaled, observed in part or in discrete numbers. Constructs
are tested one by one elsewhere; this finds what goes wrong between them.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyro import poutine
from pyro.distributions import transforms

from probgen.compile.rules import RULES
from probgen.errors import ProbgenError
from tests.targets.agreement import assert_agrees, native
from tests.targets.grouped import together

GROUPS = torch.tensor([0, 2, 1, 1, 0, 2])
SIZES = {"outer": (4, 1), "inner": (3,), "both": (4, 3), "units": (6,), "": ()}


def _positive(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softplus(x.clamp(-5, 5)) + 0.2


def _three(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.stack(torch.broadcast_tensors(a, b, a * b), -1)


def _ordered(a: torch.Tensor, b: torch.Tensor) -> dist.TransformedDistribution:
    base = dist.Normal(_three(a, b), 1.0).to_event(1)
    return dist.TransformedDistribution(base, [transforms.OrderedTransform()])


LATENT: list[Callable[[torch.Tensor, torch.Tensor], dist.Distribution]] = [
    lambda a, b: dist.Normal(a, _positive(b)),
    lambda a, b: dist.Normal(a, 1.0),
    lambda a, b: dist.StudentT(4.0, a, _positive(b)),
    lambda a, b: dist.LogNormal(a, 0.5),
    lambda a, b: dist.Gamma(_positive(a), _positive(b)),
    lambda a, b: dist.InverseGamma(_positive(a) + 1, _positive(b)),
    lambda a, b: dist.HalfCauchy(_positive(a)),
    lambda a, b: dist.Exponential(_positive(a)),
    lambda a, b: dist.Beta(_positive(a), _positive(b)),
    lambda a, b: dist.Uniform(a - 1, a + _positive(b)),
    lambda a, b: dist.Pareto(_positive(a), 2.0),
    lambda a, b: dist.Dirichlet(_positive(_three(a, b))),
    lambda a, b: dist.LKJCholesky(3, _positive(a)),
    lambda a, b: dist.MultivariateNormal(_three(a, b), torch.eye(3) * 2),
    lambda a, b: dist.Wishart(_positive(a) + 3, scale_tril=torch.eye(2)),
    lambda a, b: dist.MixtureSameFamily(
        dist.Categorical(logits=_three(a, b)), dist.Gamma(_positive(_three(b, a)), 1.0)
    ),
    _ordered,
]
OBSERVED: list[tuple[Callable[[torch.Tensor, torch.Tensor], dist.Distribution], str]] = [
    (lambda a, b: dist.Normal(a, _positive(b)), "real"),
    (lambda a, b: dist.Cauchy(a, _positive(b)), "real"),
    (lambda a, b: dist.Logistic(a, _positive(b)), "real"),
    (lambda a, b: dist.Weibull(_positive(a), _positive(b)), "positive"),
    (lambda a, b: dist.LogNormal(a, _positive(b)), "positive"),
    (lambda a, b: dist.Poisson(_positive(a)), "count"),
    (lambda a, b: dist.NegativeBinomial(_positive(b), logits=a), "count"),
    (lambda a, b: dist.ZeroInflatedPoisson(_positive(a), gate_logits=b), "count"),
    (lambda a, b: dist.BetaBinomial(_positive(a), _positive(b), 9), "count"),
    (lambda a, b: dist.Binomial(9, logits=a), "count"),
    (lambda a, b: dist.Bernoulli(logits=a), "truth"),
    (lambda a, b: dist.Categorical(logits=_three(a, b)), "truth"),
]
DATA = {
    "real": lambda x: x,
    "positive": torch.exp,
    "count": lambda x: (x * 2 + 3).round().clamp(0, 9),
    "truth": lambda x: (x > 0).double(),
}


class RandomProgram:
    """A program that is the same at every run, drawn from a seed."""

    def __init__(self, seed: int, steps: int) -> None:
        self.seed, self.steps = seed, steps

    def __call__(self) -> None:
        self.random = random.Random(self.seed)
        self.outer, self.inner = pyro.plate("outer", 4, dim=-2), pyro.plate("inner", 3, dim=-1)
        self.units = pyro.plate("units", 6, dim=-1)
        self.known: dict[str, list[torch.Tensor]] = {place: [] for place in SIZES}
        self.known[""] = [pyro.sample("first", dist.Normal(0.0, 1.0)), torch.tensor(0.3)]
        moves = [self.latent, self.latent, self.observed, self.derived, self.factor]
        for step in range(self.steps):
            self.random.choice(moves)(f"{step}", self.random.choice(list(SIZES)))
        self.observed("last", self.random.choice(list(SIZES)))

    def pick(self, place: str) -> torch.Tensor:
        """A number for every element of a place, from sites before."""
        found = self.known[""] + self.known[place]
        if place == "both":
            found = found + self.known["outer"] + self.known["inner"]
        if place == "units":
            found = found + [value[..., GROUPS] for value in self.known["inner"]]
        return self.random.choice(found[-3:] if self.random.random() < 0.5 else found)

    @contextlib.contextmanager
    def around(self, place: str):
        """The plates of a place, and perhaps a mask and a scale."""
        plates = {"outer": [self.outer], "inner": [self.inner], "units": [self.units],
                  "both": [self.outer, self.inner], "": []}[place]  # fmt: skip
        with contextlib.ExitStack() as entered:
            for plate in plates:
                entered.enter_context(plate)
            if place and self.random.random() < 0.3:
                entered.enter_context(poutine.mask(mask=self.data(SIZES[place]) > -0.5))
            if self.random.random() < 0.2:
                entered.enter_context(poutine.scale(scale=0.5))
            yield

    def data(self, shape: tuple[int, ...]) -> torch.Tensor:
        count = torch.Size(shape).numel()
        return torch.tensor([self.random.gauss(0, 1) for _ in range(count)]).reshape(shape)

    def latent(self, name: str, place: str) -> None:
        make = self.random.choice(LATENT)
        with self.around(place):
            prior = make(self.pick(place), self.pick(place))
            value = pyro.sample(f"z{name}", prior)
        if prior.event_dim:
            value = (value * torch.arange(value.shape[-1])).flatten(-prior.event_dim).sum(-1)
        self.known[place].append(torch.tanh(value / 3) * 2)

    def observed(self, name: str, place: str) -> None:
        make, kind = self.random.choice(OBSERVED)
        with self.around(place):
            given = DATA[kind](self.data(SIZES[place]))
            law = make(self.pick(place), self.pick(place))
            some = kind == "real" and place == "units" and self.random.random() < 0.4
            seen = {"obs_mask": given > -0.5} if some else {}
            pyro.sample(f"y{name}", law, obs=given, **seen)

    def derived(self, name: str, place: str) -> None:
        a, b = self.pick(place), self.pick(place)
        functions = [
            lambda: a + b, lambda: a * torch.sin(b), lambda: torch.where(a > b, a, b * 0.5),
            lambda: torch.logaddexp(a, b), lambda: (1 + (a - b) ** 2).sqrt(),
            lambda: torch.sort(torch.atleast_1d(a), -1)[0] if place == "units" else a - b,
            lambda: a.expand(SIZES[place]).cumsum(-1) if place in ("inner", "units") else a / 2,
        ]  # fmt: skip
        value = self.random.choice(functions)().expand(SIZES[place])
        self.known[place].append(pyro.deterministic(f"d{name}", value, event_dim=0))

    def factor(self, name: str, place: str) -> None:
        with self.around(place):
            pyro.factor(f"f{name}", -(self.pick(place) ** 2).expand(SIZES[place]))


SEEDS = st.lists(
    st.tuples(st.integers(0, 2**32), st.integers(3, 7)), min_size=3, max_size=3, unique=True
)
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def check(seeds: list[tuple[int, int]]) -> None:
    programs = {f"p{seed}x{steps}": RandomProgram(seed, steps) for seed, steps in seeds}
    assert_agrees(native(together(programs)), scales=(0.3, 0.8), rtol=1e-7)


@settings(max_examples=2, derandomize=True, **QUIET)
@given(SEEDS)
def test_random_pyro_programs(seeds):
    check(seeds)


@pytest.mark.slow
@settings(max_examples=12, derandomize=True, **QUIET)
@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(6, 14)), min_size=4, max_size=6))
def test_many_random_pyro_programs(seeds):
    check(list(dict.fromkeys(seeds)))


BROKEN = [
    torch.ops.aten.lgamma.default,
    pytest.param(torch.ops.aten.abs.default, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("operation", BROKEN)
def test_a_broken_rule_is_caught(operation, monkeypatch):
    monkeypatch.setitem(RULES, operation, RULES[torch.ops.aten.tanh.default])
    with pytest.raises((AssertionError, ProbgenError), match=r"disagrees|Not equal"):
        check([(seed, 6) for seed in range(4)])
