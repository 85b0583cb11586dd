"""Layer-wise pretraining of a deep Boltzmann machine by restricted ones with doubled layers.

Source: Salakhutdinov & Hinton (2009), "Deep Boltzmann machines", section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from probgen.errors import ModelError, OptionError
from probgen.learn.boltzmann.doubled import compose, doubled_machines, tie
from probgen.learn.boltzmann.methods import Settings
from probgen.learn.boltzmann.stages import InStages, StagedLearner, stage_at
from probgen.learn.boltzmann.start import start_from
from probgen.nets.boltzmann.block import draw_layer
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.values import read_values

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop
    from probgen.learn.training.options import TrainingOptions

__all__ = ["DoubledLayers"]


@dataclass(frozen=True)
class DoubledLayers(InStages):
    """Where a deep machine may start; go on with `PCD(start="as is")`.

    Args:
        machine: how each restricted machine learns: `CD(...)` or `PCD(...)`.
        shares: of the epochs, one for each restricted machine; evenly when None.

    Example:
        >>> DoubledLayers(shares=(2, 1)).shares
        (2, 1)

    """

    name: ClassVar[str] = "doubled_layers"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 30, "batch_size": 100}

    def learner(
        self, model: nn.Module, info: DataInfo, options: TrainingOptions
    ) -> DoubledLearner:
        """The learner of a deep Boltzmann machine. Raises `ModelError` for any other model."""
        if not isinstance(model, BoltzmannMachine) or len(model.layers) < 3:
            raise ModelError(
                f"DoubledLayers learns Boltzmann machines of three or more layers, and "
                f"{type(model).__name__} is none: learn a restricted one by PCD."
            )
        if options.ema is not None:
            raise OptionError(
                "DoubledLayers takes no ema: it only makes a start. Average what PCD goes on to."
            )
        shares = self.shares or (1.0,) * len(model.weights)
        if len(shares) != len(model.weights):
            raise OptionError(
                f"DoubledLayers(shares={self.shares!r}): there are {len(model.weights)} "
                "restricted machines, one between every two layers."
            )
        return DoubledLearner(model, self.machine, shares, info)


class DoubledLearner(StagedLearner):
    """Every machine with doubled layers learns what those beneath it make of the data."""

    def __init__(
        self,
        model: BoltzmannMachine,
        settings: Settings,
        shares: Sequence[float],
        info: DataInfo,
    ) -> None:
        super().__init__(doubled_machines(model), settings, shares, info.batch_size)
        self.model, self.info, self.start = model, info, settings.start

    @torch.no_grad()
    def step(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float | Tensor]:
        """One step of the machine whose turn it is."""
        number, before = (stage_at(self.shares, loop, max(0, loop.clock - i)) for i in (0, 1))
        if self.start == "data" and (not loop.clock or before != number):
            self._begin(number)
        state = self._lowest(batch)
        for below in self.inner[:number]:
            state = draw_layer(below.machine, 1, [state, state], loop.stream)
        learner = self.inner[number]
        found, metrics = learner.gradient(state, loop.stream)
        if number in (0, len(self.inner) - 1):
            tie(found, 0 if number == 0 else 1)
        for name, parameter in learner.machine.named_parameters():
            if parameter.numel():
                parameter.grad = found[name]
        loop.update(f"layer{number + 1}")
        compose(self.model, [other.machine for other in self.inner])
        return metrics

    def _lowest(self, values: Mapping[str, Tensor]) -> Tensor:
        """Visible states of the lowest machine: twice those of the model."""
        return self.model.encode(0, values).repeat(1, 2)

    def _begin(self, number: int) -> None:
        """Give the lower biases of a machine the frequencies of what it is about to learn."""
        machine = self.inner[number].machine
        total = torch.zeros(2, machine.widths[0], dtype=torch.float64, device=machine.device)
        rows = 0
        for batch in self.info.batches():
            state = self._lowest(read_values(self.model, batch))
            for below in self.inner[:number]:
                state = below.machine.mean(1, below.machine.activation(1, [state, None]))
            total += torch.stack([state.double().sum(0), state.double().square().sum(0)])
            rows += len(state)
        mean, square = total / rows
        start_from(machine, mean, square, torch.full_like(mean, rows))
