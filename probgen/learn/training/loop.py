"""What one step of a learner may use: the clock, random numbers, gradients, updates.

Processes that train together hold different rows of one global batch. Their gradients are
averaged with weights as their rows, so that the mean over the global batch comes out whatever
the number of processes; the average is taken once per update, over one flat buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from probgen.errors import ModelError
from probgen.learn.training.clipping import Clipping
from probgen.learn.training.place import Place
from probgen.learn.training.protocol import Player
from probgen.learn.training.schedules import Schedule, value_at
from probgen.nets.stream import Stream

__all__ = ["Loop"]


class Loop:
    """The state of a training as a learner sees it.

    Attributes
    ----------
    clock: steps done.
    total: steps in all.
    steps_per_epoch: steps that go once through the data.
    stream: random numbers of this process, part of the checkpoint. Draws of torch, NumPy and
        `random` are too.
    rank, world: number of this process, and of all.
    device: where modules and batches are.

    Gradients are those of means over this process's rows; that other processes may have more
    rows or fewer is taken care of when gradients are averaged.

    """

    def __init__(
        self,
        players: Mapping[str, Player],
        place: Place,
        stream: Stream,
        steps_per_epoch: int,
        total: int,
        clip: Clipping | None = None,
        ema: float | None = None,
    ) -> None:
        self.clock = 0
        self.total = total
        self.steps_per_epoch = steps_per_epoch
        self.stream = stream
        self.place = place
        self.rank, self.world, self.device = place.rank, place.world, place.device
        self._share = 1.0
        self.rows: Tensor | None = None  # numbers of the minibatch's rows in the training data
        self.averages: dict[str, AveragedModel] = {}
        self._players = dict(players)
        self._clip = clip
        self._parameters = {name: _parameters(name, p) for name, p in players.items()}
        self._ratios = {name: _ratios(player) for name, player in players.items()}
        self._averaged: set[str] = set()
        buffers = [b for p in players.values() for b in p.module.buffers()]
        self._buffers = list({id(b): b for b in buffers}.values())
        if ema is not None:
            average = get_ema_multi_avg_fn(ema)
            for name, player in players.items():
                if not player.averaged:
                    continue
                self.averages[name] = AveragedModel(player.module, multi_avg_fn=average)

    @property
    def epoch(self) -> float:
        """How often the data have been gone through."""
        return self.clock / self.steps_per_epoch

    @property
    def plain(self) -> bool:
        """Whether optimisers get gradients as a step leaves them, and nobody else sees them."""
        return self.world == 1 and self._clip is None

    def value(self, value: float | Schedule) -> float:
        """What a schedule says for this step; a number is itself."""
        return value_at(value, self.clock, self.total)

    def autocast(self) -> AbstractContextManager:
        """The arithmetic of the chosen precision; the loop has entered it around every step."""
        return self.place.autocast()

    def backward(self, loss: Tensor, *players: str, retain_graph: bool = False) -> None:
        """Add the gradient of `loss`, a mean over this process's rows, to parameters.

        With names of `players` to theirs only: a generator's loss leaves its critic alone.
        """
        inputs = [p for name in players for p in self._parameters[name]] or None
        loss.backward(inputs=inputs, retain_graph=retain_graph)

    def average_gradients(self, player: str) -> None:
        """Average a player's gradients, means over rows, over the processes.

        `update` does it unless it was done for that update: call it to see the averages first.
        Gradients may be set by hand; every process must set those of the same parameters.
        """
        if self.world > 1 and player not in self._averaged:
            gradients = [p.grad for p in self._parameters[player] if p.grad is not None]
            self.place.average(gradients, self._share)
            self._averaged.add(player)

    def update(self, player: str) -> None:
        """Schedule, average over processes, clip, step of the optimiser, average of weights.

        The player's gradients are gone afterwards.
        """
        chosen = self._players[player]
        if chosen.learning_rate is not None:
            rate = self.value(chosen.learning_rate)
            groups = chosen.optimiser.param_groups
            for group, ratio in zip(groups, self._ratios[player], strict=True):
                group["lr"] = rate * ratio
        self.average_gradients(player)
        self._averaged.discard(player)
        if self._clip is not None:
            self._clip(self._parameters[player])
        chosen.optimiser.step()
        for parameter in self._parameters[player]:  # less than half the time of `zero_grad`
            parameter.grad = None
        if player in self.averages:
            self.averages[player].update_parameters(chosen.module)

    def begin_step(self, share: float, rows: Tensor | None = None) -> None:
        """Note this process's rows relative to an equal share of the global batch, and which."""
        self._share, self.rows = share, rows

    def end_step(self) -> None:
        """Count the step; buffers, such as running means, become those of process 0."""
        self.clock += 1
        if self.world > 1:
            self.place.same(self._buffers)

    def learning_rate(self, player: str, step: int) -> float | None:
        """The learning rate of a player's first group at a step; None if it is the optimiser's."""
        rate = self._players[player].learning_rate
        return None if rate is None else value_at(rate, step, self.total)


def _parameters(name: str, player: Player) -> list[nn.Parameter]:
    """What a player's optimiser changes. Raises `ModelError` when it is nothing."""
    found = [p for group in player.optimiser.param_groups for p in group["params"]]
    if not any(p.requires_grad for p in found):
        raise ModelError(
            f"The player {name!r} ({type(player.module).__name__}) has no parameters to learn: "
            "none requires a gradient."
        )
    return found


def _ratios(player: Player) -> list[float]:
    """Learning rates of groups relative to the first."""
    rates = [float(group["lr"]) for group in player.optimiser.param_groups]
    return [rate / rates[0] if rates[0] else 1.0 for rate in rates]
