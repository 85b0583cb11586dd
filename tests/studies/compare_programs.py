"""A program whose posterior is known, and methods that are wrong on purpose, for comparisons."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from probgen.inference.method import DensityLike, Draws, Plan

Y = (1.2, 0.4, 2.0, 1.1, -0.3)


def normal(y):
    """y ~ N(mu, 1), mu ~ N(0, 2): the posterior of mu is normal, and `truth` gives it."""
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    with pyro.plate("row", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def data():
    return {"y": torch.tensor(Y, dtype=torch.float64)}


def truth() -> tuple[float, float]:
    precision = len(Y) + 1.0 / 4.0
    return sum(Y) / precision, precision**-0.5


@dataclass(frozen=True)
class Independent:
    """Exact draws of `normal`, stretched by a factor: 1 is right."""

    stretch: float = 1.0
    name: ClassVar[str] = "Independent"

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        rng = np.random.default_rng(plan.seed)
        mean, sd = truth()
        z = rng.standard_normal((plan.chains, plan.draws, density.dim))
        x = mean + self.stretch * sd * z
        return Draws(
            x,
            {"lp": -0.5 * (z**2).sum(axis=-1)},
            summary={
                "seconds_warmup": 0.5,
                "seconds_sampling": 1.0,
                "gradient_evaluations_warmup": 500,
                "gradient_evaluations": 1000,
                "notes": [],
            },
        )


@dataclass(frozen=True)
class Raising:
    name: ClassVar[str] = "Raising"

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        raise ArithmeticError("the sampler fell over")


@dataclass(frozen=True)
class Dying:
    name: ClassVar[str] = "Dying"

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        os.abort()


@dataclass(frozen=True)
class Sleeping:
    seconds: float = 600.0
    name: ClassVar[str] = "Sleeping"

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        time.sleep(self.seconds)
        raise AssertionError("it was not stopped")
