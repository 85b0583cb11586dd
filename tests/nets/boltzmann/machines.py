"""Small machines of every kind, and what they mean, written unit by unit without tensors' help."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

LAYERS = {
    "bernoulli": [Units("x", 3), Units("h", 2)],
    "categorical": [Units("x", 2, "categorical", 3), Units("h", 2)],
    "gaussian": [Units("x", 3, "gaussian"), Units("h", 2)],
    "softmax_hidden": [Units("x", 3), Units("h", 2, "categorical", 3)],
    "composite": [
        (Units("x", 2), Units("r", 2, "gaussian"), Units("y", 1, "categorical", 3)),
        (Units("h", 2), Units("g", 1, "categorical", 3)),
    ],
    "deep": [Units("x", 3), Units("h", 2), Units("g", 2)],
    "deep_composite": [
        (Units("r", 2, "gaussian"), Units("y", 1, "categorical", 3)),
        Units("h", 2),
        Units("g", 1, "categorical", 3),
        Units("f", 2),
    ],
}
DISCRETE = ("bernoulli", "categorical", "softmax_hidden", "deep")
RESTRICTED = ("bernoulli", "categorical", "gaussian", "softmax_hidden", "composite")


def machine_of(kind: str, seed: int = 1, scale: float = 1.0) -> BoltzmannMachine:
    """A machine of `LAYERS` in double precision with every parameter drawn."""
    machine = BoltzmannMachine(LAYERS[kind]).double()
    random = torch.Generator().manual_seed(seed)
    for parameter in machine.parameters():
        parameter.data = scale * torch.randn(
            parameter.shape, generator=random, dtype=torch.float64
        )
    return machine


def values_of(machine: BoltzmannMachine, cases: int = 4, seed: int = 2) -> dict[str, Tensor]:
    """Values of every site, drawn at random."""
    random, values = torch.Generator().manual_seed(seed), {}
    for units in itertools.chain(*machine.layers):
        shape = (cases, units.size)
        if units.kind == "gaussian":
            values[units.name] = torch.randn(shape, generator=random, dtype=torch.float64)
        elif units.kind == "categorical":
            values[units.name] = torch.randint(units.states, shape, generator=random)
        else:
            values[units.name] = torch.randint(2, shape, generator=random).double()
    return values


def visible_values(machine: BoltzmannMachine, cases: int = 4) -> dict[str, Tensor]:
    """Values of the sites of layer 0, drawn at random."""
    names = [units.name for units in machine.layers[0]]
    return {name: value for name, value in values_of(machine, cases).items() if name in names}


def states_of(machine: BoltzmannMachine, values: dict[str, Tensor]) -> list[Tensor]:
    return [machine.encode(layer, values) for layer in range(len(machine.layers))]


@torch.no_grad()
def energy_by_hand(
    machine: BoltzmannMachine,
    values: dict[str, Tensor],
    case: int,
    *,
    sign: float = 1.0,
    bias: bool = True,
    over_variance: bool = True,
) -> float:
    """Energy of one case, unit by unit and pair by pair; the options are the mutations."""
    own, signals = 0.0, []
    deviations = iter(machine.log_variance.exp().tolist())
    for layer, biases in zip(machine.layers, machine.biases, strict=True):
        signal, column = [], 0
        for units in layer:
            for value in values[units.name][case].tolist():
                if units.kind == "gaussian":
                    variance = next(deviations)
                    centre = float(biases[column]) if bias else 0.0
                    own += (value - centre) ** 2 / (2 * variance)
                    signal.append(value / variance if over_variance else value)
                elif units.kind == "categorical":
                    code = [float(state == value) for state in range(units.states)]
                    own -= float(biases[column + int(value)]) if bias else 0.0
                    signal += code
                else:
                    own -= float(biases[column]) * value if bias else 0.0
                    signal.append(value)
                column = len(signal)
        signals.append(signal)
    pairs = 0.0
    for weight, low, high in zip(machine.weights, signals, signals[1:], strict=False):
        for i, j in itertools.product(range(len(low)), range(len(high))):
            pairs += low[i] * float(weight[i, j]) * high[j]
    return own - sign * pairs


def every_state(machine: BoltzmannMachine, layer: int) -> Tensor:
    """All states of a discrete layer, (states, width)."""
    codes = []
    for units in machine.layers[layer]:
        if units.kind == "categorical":
            one = torch.eye(units.states, dtype=torch.float64).tolist()
        else:
            one = [[0.0], [1.0]]
        codes += [one] * units.size
    rows = [list(itertools.chain(*choice)) for choice in itertools.product(*codes)]
    return torch.tensor(rows, dtype=torch.float64)


def joint_states(machine: BoltzmannMachine) -> list[Tensor]:
    """All joint states of a discrete machine, one tensor per layer."""
    layers = [every_state(machine, layer) for layer in range(len(machine.layers))]
    grid = torch.cartesian_prod(*(torch.arange(len(states)) for states in layers))
    return [states[grid[:, layer]] for layer, states in enumerate(layers)]


@torch.no_grad()
def exact_law(machine: BoltzmannMachine) -> tuple[list[Tensor], Tensor, float]:
    """All joint states of a discrete machine, their log probabilities, and log Z."""
    states = joint_states(machine)
    weights = -machine.energy(states)
    log_z = float(weights.logsumexp(0))
    return states, weights - log_z, log_z


def five_sigma(share: float, draws: int) -> float:
    """Five standard errors of a share of independent draws."""
    return 5 * math.sqrt(max(share * (1 - share), 1e-4) / draws)
