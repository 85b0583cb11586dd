"""Greedy layer-wise learning of a deep belief network (Hinton, Osindero & Teh 2006).

Layer by layer, a restricted machine learns what recognition makes of the data below it. It
starts as the machine beneath turned over where their sizes allow: then the network is that
machine, and every gain of the new one raises the variational bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from probgen.errors import ModelError, OptionError
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.boltzmann.methods import Settings
from probgen.learn.boltzmann.stages import InStages, StagedLearner, stage_at
from probgen.learn.boltzmann.start import moments, start_from
from probgen.nets.boltzmann.belief import BeliefNetwork

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop
    from probgen.learn.training.options import TrainingOptions

__all__ = ["GreedyLayers", "turn_over"]


@dataclass(frozen=True)
class GreedyLayers(InStages):
    """Restricted machines from below upwards; the epochs are shared among them.

    Args:
        machine: how each restricted machine learns: `CD(...)` or `PCD(...)`.
        shares: of the epochs, one for each machine; evenly when None. With 0 a machine stays
            as it is, such as one that has been learned before.

    Example:
        >>> GreedyLayers(shares=(2, 1)).shares
        (2, 1)

    """

    name: ClassVar[str] = "greedy"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 60, "batch_size": 100}

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> GreedyLearner:
        """The learner of a deep belief network. Raises `ModelError` for any other model."""
        network = check_network(model, type(self).__name__)
        shares = self.shares or (1.0,) * len(network.machines)
        if len(shares) != len(network.machines):
            raise OptionError(
                f"GreedyLayers(shares={self.shares!r}): the network has {len(network.machines)} "
                "machines, one between every two layers."
            )
        if options.patience is not None:
            raise OptionError(
                "GreedyLayers takes no patience: the layers' metrics cannot be compared, and to "
                "stop one would stop all. Give the layers shares of the epochs."
            )
        if self.machine.start == "data" and shares[0]:
            start_from(network.machines[0], *moments(network.machines[0], info.batches()))
        return GreedyLearner(network, self.machine, shares, info)


class GreedyLearner(StagedLearner):
    """Every machine learns states that those beneath it recognise."""

    def __init__(
        self, network: BeliefNetwork, settings: Settings, shares: tuple[float, ...], info: DataInfo
    ) -> None:
        super().__init__(network.machines, settings, shares, info.batch_size)
        self.network = network
        layers = range(1, len(self.inner) + 1)
        self.units = _by_layer(BoltzmannLearner.units, layers)
        self.monitors = _by_layer(BoltzmannLearner.monitors, layers)

    @torch.no_grad()
    def step(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float | Tensor]:
        """One step of the machine whose turn it is."""
        network, number = self.network, stage_at(self.shares, loop, loop.clock)
        if number and stage_at(self.shares, loop, loop.clock - 1) != number:
            turn_over(network, number)
        states = network.recognise(network.encode(0, batch), loop.stream, to=number)
        learner = self.inner[number]
        metrics = learner.learn(states[number], loop, f"layer{number + 1}")
        if number < len(network.recognition):
            network.recognition[number].copy_(learner.machine.weights[0])
        return metrics

    @torch.no_grad()
    def validate(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float]:
        """What the machine that learned last says of recognised states, by layer."""
        number = stage_at(self.shares, loop, max(loop.clock - 1, 0))
        visible = self.network.encode(0, batch)
        states = self.network.recognise(visible, loop.stream, to=number)
        found = self.inner[number].judge(states[number], loop)
        return {f"layer{number + 1}_{name}": value for name, value in found.items()}


@torch.no_grad()
def turn_over(network: BeliefNetwork, number: int) -> None:
    """Let machine `number` start as the one beneath turned over, as far as their sizes allow.

    Of a layer with more units than the one it takes the place of, the others start weakly
    coupled; what they add to the energy on average is taken from the biases below.
    """
    below, machine = network.machines[number - 1], network.machines[number]
    machine.biases[0].copy_(below.biases[1])
    under, over = network.layers[number - 1], network.layers[number + 1]
    width, wide = below.widths[0], machine.widths[1]
    same = [(u.kind, u.size, u.states) for u in under] == [
        (u.kind, u.size, u.states) for u in over
    ]
    if same or (width < wide and {u.kind for u in (*under, *over)} == {"bernoulli"}):
        weight, bias = machine.weights[0], machine.biases[1]
        weight[:, :width] = below.weights[0].T
        bias[:width] = below.biases[0]
        bias[width:] = 0.0
        machine.biases[0].sub_(weight[:, width:].sum(1), alpha=0.5)


def _by_layer(words: Mapping[str, str], layers: Iterable[int]) -> dict[str, str]:
    """What is said of metrics, for the training's and for every layer's in validation."""
    return {
        **words,
        **{f"layer{number}_{name}": said for number in layers for name, said in words.items()},
    }


def check_network(model: nn.Module, method: str) -> BeliefNetwork:
    """The model, if it is a deep belief network. Raises `ModelError`."""
    if not isinstance(model, BeliefNetwork):
        raise ModelError(
            f"{method} learns deep belief networks, and {type(model).__name__} is none: make it a "
            "subclass of BeliefNetwork, or choose another method."
        )
    return model
