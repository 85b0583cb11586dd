"""Supervised fine-tuning of a recognition classifier: the loss is -log p(y | x)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from probgen.errors import ModelError
from probgen.learn.training.protocol import Player
from probgen.nets.boltzmann.classifier import RecognitionClassifier

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop
    from probgen.learn.training.options import TrainingOptions

__all__ = ["FineTune"]


@dataclass(frozen=True)
class FineTune:
    """Backpropagation through a `RecognitionClassifier`, by Adam.

    Args:
        learning_rate: a number, or a schedule.
        weight_decay: decoupled L2 penalty (Loshchilov & Hutter 2019).

    Example:
        >>> FineTune()
        FineTune(learning_rate=0.001, weight_decay=0.0)

    """

    learning_rate: Any = 1e-3
    weight_decay: float = 0.0

    name: ClassVar[str] = "fine_tune"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 30, "batch_size": 100}

    def learner(
        self, model: nn.Module, info: DataInfo, options: TrainingOptions
    ) -> FineTuneLearner:
        """The learner of a classifier. Raises `ModelError` for any other model."""
        if not isinstance(model, RecognitionClassifier):
            raise ModelError(
                f"FineTune learns a RecognitionClassifier, and this is a {type(model).__name__}."
            )
        return FineTuneLearner(model, self)


class FineTuneLearner:
    """The classifier as a single player."""

    units: ClassVar[Mapping[str, str]] = {"loss": "nats", "accuracy": "1"}
    criterion = "-accuracy"

    def __init__(self, model: RecognitionClassifier, method: FineTune) -> None:
        self.model = model
        optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=method.weight_decay)
        self.players = {"classifier": Player(model, optimiser, method.learning_rate)}

    def step(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float | Tensor]:
        """One step on labelled cases."""
        logits = self.model.logits(batch["x"])
        loss = functional.cross_entropy(logits, batch["y"][:, 0].long())
        loop.backward(loss)
        loop.update("classifier")
        return {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self, batch: dict[str, Tensor], loop: Loop) -> dict[str, float | Tensor]:
        """Loss and accuracy."""
        logits, labels = self.model.logits(batch["x"]), batch["y"][:, 0].long()
        right = (logits.argmax(-1) == labels).float().mean()
        return {"loss": functional.cross_entropy(logits, labels), "accuracy": right}

    def state(self) -> dict[str, Tensor]:
        """Nothing beside the classifier and its optimiser."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Nothing."""
