"""Gradient descent with momentum on a machine's parameters, by the compiled pass.

It does what `torch.optim.SGD` does, and takes the weights' gradient as the products leave it:
rounded, and not centred yet. Centring, update and rounding for the next products are then one
pass over the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probgen.nets.boltzmann.native.descent import descend

__all__ = ["Descent", "RawGradient", "RoundedCopy"]


class RoundedCopy:
    """A parameter in bfloat16, made again when the parameter has changed."""

    def __init__(self, parameter: Tensor) -> None:
        self._parameter = parameter
        self.values = torch.empty_like(parameter, dtype=torch.bfloat16, requires_grad=False)
        self._version = -1

    def current(self) -> Tensor:
        """The values, as of now."""
        if self._version != self._parameter._version:
            self.values.copy_(self._parameter.detach())
            self.mark()
        return self.values

    def mark(self) -> None:
        """Note that the values are those of the parameter."""
        self._version = self._parameter._version


@dataclass(frozen=True)
class RawGradient:
    """The gradient of weights, (low, high), before centring.

    `rounded` is given if it is in bfloat16; `means` of both layers' signals and the biases'
    gradients `slopes` where it is to be centred, see `descend`.
    """

    values: Tensor
    rounded: RoundedCopy | None = None
    means: Sequence[Tensor] | None = None
    slopes: Sequence[Tensor] | None = None


class Descent(torch.optim.Optimizer):
    """Of parameters that `descends` accepts; the state is that of `torch.optim.SGD`.

    Biases have their turn after the weights, whose centring changes their gradients.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float) -> None:
        defaults = {"lr": 1.0, "momentum": momentum, "weight_decay": 0.0}
        super().__init__(groups, defaults)
        self._raw: dict[Tensor, RawGradient] = {}

    def take(self, weight: Tensor, gradient: RawGradient) -> None:
        """Use this as the gradient of a parameter in the next step."""
        self._raw[weight] = gradient

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters that have a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                raw = self._raw.pop(parameter, None)
                if raw is None and parameter.grad is not None:
                    raw = RawGradient(parameter.grad.contiguous())
                if raw is not None:
                    self._move(parameter, raw, group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        self._raw.clear()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _move(self, parameter: Tensor, raw: RawGradient, group: dict[str, Any]) -> None:
        velocity = None
        if group["momentum"]:
            state = self.state[parameter]
            velocity = state.get("momentum_buffer")
            if velocity is None:
                velocity = state["momentum_buffer"] = torch.zeros_like(parameter)
        descend(
            parameter, raw.values, group["lr"], momentum=group["momentum"],
            decay=group["weight_decay"], velocity=velocity, means=raw.means, slopes=raw.slopes,
            rounded=None if raw.rounded is None else raw.rounded.values,
        )  # fmt: skip
        if raw.rounded is not None:
            raw.rounded.mark()
