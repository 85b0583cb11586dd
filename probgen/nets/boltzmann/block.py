"""Block Gibbs sampling of a Boltzmann machine in layers (Smolensky 1986; Hinton 2002).

The units of a layer are independent given the neighbouring layers, so a sweep draws whole layers:
first the odd ones, then the even ones, the visible layer last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.native.binary_units import binary_units
from probgen.nets.stream import Stream

__all__ = ["Clamp", "draw_layer", "rounded", "sweep"]

Clamp = Mapping[int, tuple[Tensor, Tensor]]


@torch.no_grad()
def sweep(
    machine: BoltzmannMachine,
    states: Sequence[Tensor],
    stream: Stream,
    *,
    beta: float | Tensor = 1.0,
    clamp: Clamp | None = None,
    weights: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """One sweep over all layers, leaving exp(-beta E) invariant.

    Args:
        machine: whose energy.
        states: of every layer, (batch, width) each; not changed. Layer 1 of a restricted
            machine is not read.
        stream: of random numbers; one key per block of units.
        beta: inverse temperature, of all rows or of each, (batch,).
        clamp: layer -> (mask, values), (batch, width) each: numbers that stay as given.
        weights: `rounded(machine)`, for the products of binary layers: several times faster on
            some processors, and exp(-beta E) is invariant but for the rounding to 8 bits.

    """
    new, count = list(states), len(states)
    evens = range(2 * ((count - 1) // 2), -1, -2)
    for layer in [*range(1, count, 2), *evens]:
        drawn = draw_layer(machine, layer, new, stream, beta, weights)
        if clamp is not None and layer in clamp:
            mask, values = clamp[layer]
            drawn = torch.where(mask, values, drawn)
        new[layer] = drawn
    return new


def rounded(machine: BoltzmannMachine) -> list[Tensor]:
    """The weights in bfloat16, as `sweep` takes them; to be made again when they change."""
    return [weight.detach().to(torch.bfloat16) for weight in machine.weights]


@torch.no_grad()
def draw_layer(
    machine: BoltzmannMachine,
    layer: int,
    states: Sequence[Tensor],
    stream: Stream,
    beta: float | Tensor = 1.0,
    weights: Sequence[Tensor] | None = None,
) -> Tensor:
    """Draw a layer given its neighbours at inverse temperature `beta`, (batch, width)."""
    if all(units.kind == "bernoulli" for units in machine.layers[layer]):
        return _draw_binary(machine, layer, states, stream, beta, weights)
    activation = machine.activation(layer, states)
    if isinstance(beta, float) and beta == 1.0:
        return machine.draw(layer, activation, stream)
    scale = beta[:, None] if isinstance(beta, Tensor) else beta
    real = [not units.discrete for units in machine.layers[layer] for _ in range(units.width)]
    if not any(real):
        return machine.draw(layer, activation * scale, stream)
    # A Gaussian unit keeps its mean; its variance is divided by beta.
    gaussian = torch.tensor(real, device=activation.device)
    parameter = torch.where(gaussian, activation, activation * scale)
    drawn = machine.draw(layer, parameter, stream)
    return torch.where(gaussian, activation + (drawn - activation) * scale**-0.5, drawn)


def _draw_binary(
    machine: BoltzmannMachine,
    layer: int,
    states: Sequence[Tensor],
    stream: Stream,
    beta: float | Tensor,
    weights: Sequence[Tensor] | None,
) -> Tensor:
    """The same of binary units alone, in one pass over their input."""
    used = list(machine.weights) if weights is None else weights
    number = used[0].dtype
    inputs: list[Tensor] = []
    if layer > 0:
        low = machine.signal(layer - 1, states[layer - 1])
        inputs.append(low.to(number) @ used[layer - 1])
    if layer + 1 < len(machine.layers):
        high = machine.signal(layer + 1, states[layer + 1])
        inputs.append(high.to(number) @ used[layer].T)
    total = inputs[0] if len(inputs) == 1 else inputs[0].add_(inputs[1])
    slopes = None
    if isinstance(beta, Tensor) or beta != 1.0:
        slopes = torch.as_tensor(beta, dtype=machine.dtype, device=total.device)
        slopes = slopes.expand(len(total)).contiguous()
    drawn = torch.empty_like(total)
    binary_units(total, machine.biases[layer], stream.key(), drawn=drawn, beta=slopes)
    return drawn.to(machine.dtype)
