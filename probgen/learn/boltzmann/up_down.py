"""The up-down algorithm: contrastive wake-sleep (Hinton, Osindero & Teh 2006, appendix B).

Up from the data by recognition, where the directed layers learn to make each layer from the one
above; some sweeps of the top machine from there, which learns by contrastive divergence; down
from where these end, where recognition learns to find the layers that made each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from probgen.errors import OptionError
from probgen.learn.boltzmann.gradient import energy_gradient
from probgen.learn.boltzmann.greedy import check_network
from probgen.learn.boltzmann.negative import averaged_top
from probgen.learn.training.protocol import Player
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.block import sweep

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop
    from probgen.learn.training.options import TrainingOptions

__all__ = ["UpDown"]


@dataclass(frozen=True)
class UpDown:
    """Fine-tuning of a deep belief network after `GreedyLayers`.

    Args:
        learning_rate: a number, or a schedule.
        k: sweeps of the top machine between up and down.
        momentum: of the gradients.

    Example:
        >>> UpDown(k=3)
        UpDown(learning_rate=0.01, k=3, momentum=0.5)

    """

    learning_rate: Any = 0.01
    k: int = 3
    momentum: float = 0.5

    name: ClassVar[str] = "up_down"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 30, "batch_size": 100}

    def __post_init__(self) -> None:
        """Validate."""
        if not isinstance(self.k, int) or self.k < 1:
            raise OptionError(f"UpDown(k={self.k!r}): it must be an integer of at least 1.")
        if not 0 <= self.momentum < 1:
            raise OptionError(f"UpDown(momentum={self.momentum!r}): from 0 to below 1.")

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> UpDownLearner:
        """The learner of a deep belief network. Raises `ModelError` for any other model."""
        return UpDownLearner(check_network(model, type(self).__name__), self)


class UpDownLearner:
    """The network as a single player."""

    units: ClassVar[Mapping[str, str]] = {"wake": "nats", "sleep": "nats"}
    describe: ClassVar[Mapping[str, str]] = {
        "wake": "-log p of the directed layers given recognised ones above, per case",
        "sleep": "-log q of the layers that made the network's own dreams, per case",
    }

    def __init__(self, network: BeliefNetwork, method: UpDown) -> None:
        self.network, self.method = network, method
        trained = [p for p in network.parameters() if p.numel()]
        optimiser = torch.optim.SGD(trained, lr=1.0, momentum=method.momentum)
        self.players = {"network": Player(network, optimiser, method.learning_rate)}

    def step(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float | Tensor]:
        """Up, sweeps at the top, down; then the update of everything."""
        network, top, stream = self.network, self.network.top, loop.stream
        with torch.no_grad():
            up = network.recognise(network.encode(0, batch), stream)
            hidden = top.draw(1, top.activation(1, [up[-1], None]), stream)
            ends = [up[-1], hidden]
            for _ in range(self.method.k):
                ends = sweep(top, ends, stream)
            down = network.descend(ends[0], stream)
            positive = energy_gradient(top, averaged_top(top, [up[-1], hidden]))
            negative = energy_gradient(top, averaged_top(top, ends))
        directed = range(len(network.layers) - 2)
        made = [network.log_down(n, up[n], up[n + 1]).mean() for n in directed]
        found = [network.log_up(n + 1, down[n + 1], down[n]).mean() for n in directed]
        wake, sleep = -torch.stack(made).sum(), -torch.stack(found).sum()
        loop.backward(wake + sleep)
        for name, parameter in top.named_parameters():
            if parameter.numel():
                parameter.grad = positive[name] - negative[name]
        loop.update("network")
        return {"wake": wake.detach(), "sleep": sleep.detach()}

    def state(self) -> dict[str, Tensor]:
        """Nothing beside the network and its optimiser."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Nothing."""
