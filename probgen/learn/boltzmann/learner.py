"""One step of learning a Boltzmann machine: positive phase, negative phase, update."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.learn.boltzmann.binary import BinaryGradient, serves
from probgen.learn.boltzmann.centring import centre
from probgen.learn.boltzmann.descent import Descent
from probgen.learn.boltzmann.discriminative import discriminative_gradient
from probgen.learn.boltzmann.enumeration import exact_log_partition
from probgen.learn.boltzmann.gradient import Gradient, energy_gradient
from probgen.learn.boltzmann.monitors import MONITORS, UNITS, criterion, monitor
from probgen.learn.boltzmann.negative import ChainsFromData, Negative, PersistentChains
from probgen.learn.boltzmann.optimisers import make_optimiser
from probgen.learn.training.protocol import Player
from probgen.nets.boltzmann.conditional import unit_columns
from probgen.nets.boltzmann.listing import states_of
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.mean_field import mean_field
from probgen.nets.stream import Stream

if TYPE_CHECKING:
    from probgen.learn.boltzmann.methods import Settings
    from probgen.learn.training.loop import Loop

__all__ = ["BoltzmannLearner"]

_EXACT = 12.0  # log2 of the states of the smaller layer up to which validation sums log Z
_KEPT = 0.99  # of the running means of the data's signals from one step to the next


class BoltzmannLearner:
    """A machine, its optimiser and its negative phase.

    Args:
        machine: to learn; its parameters change in place.
        settings: of the method.
        batch_size: cases in a step of this process.

    """

    units = UNITS
    monitors = MONITORS

    def __init__(self, machine: BoltzmannMachine, settings: Settings, batch_size: int) -> None:
        if len(machine.layers) > 2 and (not settings.learns_deep or settings.target is not None):
            raise ModelError(
                f"{settings.name} learns restricted machines, of two layers; this one has "
                f"{len(machine.layers)}. Learn it by PCD, without a target."
            )
        if settings.target is not None:
            unit_columns(machine, settings.target)
        self.machine, self.settings = machine, settings
        optimiser = make_optimiser(
            machine, settings.optimiser, settings.momentum, settings.weight_decay
        )
        self.players = {"machine": Player(machine, optimiser, settings.learning_rate)}
        self.negative = settings.negative(batch_size)
        self.rows = max(batch_size, self.negative.rows)
        self.binary = _binary(machine, self.negative, settings.matmul)
        optional = any(units.optional for units in machine.layers[0])
        smaller = min(states_of(machine, [layer]) for layer in (0, 1))
        self.exact = not optional and len(machine.layers) == 2 and smaller <= _EXACT
        self.criterion = criterion(machine, settings.target, self.exact)
        self._log_z: tuple[int, float] | None = None  # with the clock when it was summed
        self._parameters = {n: p for n, p in machine.named_parameters() if p.numel()}
        self._offsets: list[Tensor] = []  # running means of the data's signals, of every layer
        self._recent: Tensor | None = None
        self._in_one_pass = (
            self.binary is not None
            and isinstance(optimiser, Descent)
            and settings.target is None
            and settings.sparsity is None
        )

    @torch.no_grad()
    def step(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float | Tensor]:
        """Gradients of one minibatch, and the update."""
        return self.learn(self.machine.encode(0, batch), loop)

    @torch.no_grad()
    def learn(
        self, visible: Tensor, loop: Loop, player: str = "machine"
    ) -> dict[str, float | Tensor]:
        """A step on visible states, (batch, width); the machine may be another's `player`."""
        if self._in_one_pass and loop.plain:
            metrics = self._give(visible, loop.stream)
        else:
            found, metrics = self.gradient(visible, loop.stream)
            for name, parameter in self._parameters.items():
                parameter.grad = found[name]
        loop.update(player)
        self._recent = visible
        return metrics

    def _give(self, visible: Tensor, stream: Stream) -> dict[str, float | Tensor]:
        """Hand the gradient to the optimiser as the products leave it."""
        binary, optimiser = self.binary, self.players["machine"].optimiser
        assert binary is not None
        assert isinstance(optimiser, Descent)
        raw, slopes, means = binary.raw(visible, stream)
        self._follow(means)
        if self.settings.centring:
            raw = replace(raw, means=self._offsets, slopes=slopes)
        gap = _size(slopes[0])
        optimiser.take(self.machine.weights[0], raw)
        for bias, slope in zip(self.machine.biases, slopes, strict=True):
            bias.grad = slope
        return {"visible_gap": gap}

    @torch.no_grad()
    def gradient(
        self, visible: Tensor, stream: Stream
    ) -> tuple[Gradient, dict[str, float | Tensor]]:
        """Gradient of the objective at visible states, (batch, width), and metrics."""
        metrics: dict[str, float | Tensor] = {}
        found: Gradient = {}
        if self.settings.target is None or self.settings.generative > 0:
            found = self._generative(visible, stream)
            metrics["visible_gap"] = _size(found["biases.0"])
            if self.settings.centring:
                centre(found, self._offsets)
        if self.settings.target is not None:
            telling, right = discriminative_gradient(self.machine, visible, self.settings.target)
            for name, part in found.items():
                telling[name].add_(part, alpha=self.settings.generative)
            found = telling
            metrics["training_accuracy"] = right
        if self.settings.sparsity is not None:
            pull = self._offsets[1] - self.settings.sparsity
            found["biases.1"].add_(pull, alpha=self.settings.sparsity_weight)
        return found, metrics

    def validate(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float]:
        """Monitors on validation cases, and the exact likelihood of small machines."""
        return self.judge(self.machine.encode(0, batch), loop)

    @torch.no_grad()
    def judge(self, visible: Tensor, loop: Loop) -> dict[str, float]:
        """The same of visible states, (cases, width)."""
        found = monitor(self.machine, visible, self._recent, self.settings.target, loop.stream)
        if self.exact:
            if self._log_z is None or self._log_z[0] != loop.clock:
                self._log_z = (loop.clock, exact_log_partition(self.machine))
            free = self.machine.free_energy(visible).mean().item()
            found["log_likelihood"] = -free - self._log_z[1]
        return found

    def state(self) -> dict[str, Tensor]:
        """Persistent chains, running means, and the arithmetic that was chosen."""
        chains = self.negative.state() if self.binary is None else self.binary.state()
        offsets = {f"offsets.{layer}": mean for layer, mean in enumerate(self._offsets)}
        recent = {} if self._recent is None else {"recent": self._recent}
        return {**chains, **offsets, **recent}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        rest = dict(state)
        self._recent = rest.pop("recent", None)
        names = sorted(name for name in rest if name.startswith("offsets."))
        self._offsets = [rest.pop(name).clone() for name in names]
        if self.binary is None:
            self.negative.load_state(rest)
        else:
            self.binary.load_state(rest)

    def _generative(self, visible: Tensor, stream: Stream) -> Gradient:
        """Gradient of -log p(visible), or of the bound on it by mean field of a deep machine."""
        if self.binary is not None:
            found, means = self.binary(visible, stream)
            self._follow(means)
            return found
        machine = self.machine
        absent = machine.absent(0, visible)
        if absent is not None and not absent.any():
            absent = None
        means = mean_field(machine, visible)  # exact in a restricted machine
        self._follow([machine.signal(layer, m).mean(0) for layer, m in enumerate(means)])
        up = energy_gradient(machine, means)
        down = self.negative.expectation(machine, means, absent, stream)
        return {name: up[name] - down[name] for name in up}

    def _follow(self, means: list[Tensor]) -> None:
        if not self._offsets:
            self._offsets = [mean.clone() for mean in means]
        for kept, mean in zip(self._offsets, means, strict=True):
            kept.lerp_(mean.to(kept.dtype), 1 - _KEPT)


def _size(slope: Tensor) -> Tensor:
    """Root mean square."""
    return slope.norm() / len(slope) ** 0.5


def _binary(machine: BoltzmannMachine, negative: Negative, matmul: str) -> BinaryGradient | None:
    """The fast gradient, where there is one."""
    if not serves(machine):
        return None
    if isinstance(negative, PersistentChains):
        return BinaryGradient(machine, negative.k, negative.chains, matmul)
    if isinstance(negative, ChainsFromData):
        return BinaryGradient(machine, negative.k, None, matmul)
    return None
