"""Small programs and methods that the training loop is tested with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.learn.training.protocol import Player


class Gaussian(PyroModule):
    """x ~ Normal(mean, exp(log_scale)) in `size` dimensions."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size))
        self.log_scale = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor | None = None) -> Tensor:
        rows = 1 if x is None else len(x)
        with pyro.plate("case", rows):
            base = dist.Normal(self.mean, self.log_scale.exp()).to_event(1)
            return pyro.sample("x", base, obs=x)


class Running(Gaussian):
    """A Gaussian about a running mean of the data, which is a buffer."""

    def __init__(self, size: int = 2) -> None:
        super().__init__(size)
        self.register_buffer("seen", torch.zeros(size))

    def forward(self, x: Tensor | None = None) -> Tensor:
        if self.training and x is not None:
            self.seen.lerp_(x.mean(0), 0.1)
        rows = 1 if x is None else len(x)
        with pyro.plate("case", rows):
            base = dist.Normal(self.mean + 0.1 * self.seen, self.log_scale.exp()).to_event(1)
            return pyro.sample("x", base, obs=x)


class Likelihoods(PyroModule):
    """One observed site with a distribution to choose; the parameter is its only one."""

    def __init__(self, make: Callable[[Tensor], Any], size: int = 3) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(size))
        self.make = make

    def forward(self, y: Tensor) -> None:
        with pyro.plate("case", len(y)):
            pyro.sample("y", self.make(self.raw), obs=y)


class MaximumLikelihoodLearner:
    """Gradient steps on the mean negative log density, with state that a checkpoint must keep."""

    units: ClassVar[Mapping[str, str]] = {"loss": "nats"}
    describe: ClassVar[Mapping[str, str]] = {"loss": "negative log density per case"}
    monitors: ClassVar[Mapping[str, str]] = {"noise": "a random number (a monitor)"}

    def __init__(self, model: nn.Module, method: LikelihoodMethod) -> None:
        optimiser = method.optimiser(model.parameters())
        self.model = model
        self.method = method
        self.players = {"model": Player(model, optimiser, method.learning_rate)}
        self.chain = torch.zeros(3)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        trace = poutine.trace(self.model).get_trace(**batch)
        rows = len(next(iter(batch.values())))
        return -trace.log_prob_sum() / rows

    def step(self, batch: dict[str, Tensor], loop: Any) -> dict[str, float | Tensor]:
        loss = self.loss(batch)
        noise = 0.0
        if self.method.noise:  # of every generator that there is
            self.chain += torch.randn(3) + torch.empty(3).normal_(
                generator=loop.stream.generator()
            )
            noise = float(self.chain.sum())
            loss = loss * (1 + 0.01 * torch.tanh(self.chain.sum()))
        loop.backward(loss)
        loop.update("model")
        return {"loss": loss.detach(), "noise": noise}

    def validate(self, batch: dict[str, Tensor], loop: Any) -> dict[str, Tensor]:
        return {"loss": self.loss(batch)}

    def state(self) -> dict[str, Tensor]:
        return {"chain": self.chain}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.chain = state["chain"]


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.1)


@dataclass(frozen=True)
class LikelihoodMethod:
    """Maximum likelihood of any program without latent sites."""

    learning_rate: Any = None
    optimiser: Any = adam
    noise: bool = False
    takes_missing: bool = False

    name: ClassVar[str] = "likelihood"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 20, "batch_size": 50}

    def learner(self, model: nn.Module, info: Any, options: Any) -> MaximumLikelihoodLearner:
        return MaximumLikelihoodLearner(model, self)


class GameLearner:
    """Two players: a generator of a shifted normal, and a critic; two critic updates per step."""

    def __init__(self, model: nn.Module) -> None:
        self.generator, self.critic = model, nn.Linear(1, 1)
        with torch.no_grad():
            self.critic.weight.fill_(0.1)
            self.critic.bias.zero_()
        self.players = {
            "generator": Player(model, torch.optim.SGD(model.parameters(), lr=0.1)),
            "critic": Player(self.critic, torch.optim.SGD(self.critic.parameters(), lr=0.1)),
        }
        self.critic_gradients: list[float] = []

    def step(self, batch: dict[str, Tensor], loop: Any) -> dict[str, float | Tensor]:
        real = batch["x"]
        for _ in range(2):
            fake = self.fake(len(real), loop)
            # penalised, so that the game has a stable end
            gap = self.critic(real).mean() - self.critic(fake.detach()).mean()
            critic_loss = -gap + 0.5 * self.critic.weight.square().sum()
            loop.backward(critic_loss, "critic")
            loop.update("critic")
        loss = -self.critic(self.fake(len(real), loop)).mean()
        loop.backward(loss, "generator")
        self.critic_gradients.append(float(self.critic.weight.grad is not None))
        loop.update("generator")
        return {"generator_loss": loss.detach(), "gap": gap.detach()}

    def fake(self, rows: int, loop: Any) -> Tensor:
        noise = torch.empty(rows, 1).normal_(generator=loop.stream.generator())
        return self.generator.mean[:1] + 0.1 * noise

    def state(self) -> dict[str, Tensor]:
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        pass


@dataclass(frozen=True)
class Game:
    """A generator against a critic."""

    name: ClassVar[str] = "game"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 10, "batch_size": 50}

    def learner(self, model: nn.Module, info: Any, options: Any) -> GameLearner:
        return GameLearner(model)


def normal_data(rows: int = 500, size: int = 2, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return 3.0 + 0.5 * torch.randn(rows, size, generator=random)
