"""Boltzmann machines of discrete units as Markov networks, and back.

To a network: a factor of one variable for every unit's bias, one of two for every weight; the
energy is the network's, so is log Z. Back: tables of one and two variables are taken apart into
biases and weights; what they say of no variable is a constant, which a machine does not have.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from probgen.declare.network import Factor, Network
from probgen.declare.networks.layers import blocks_of, layers_of
from probgen.declare.networks.pgmpy_models import read_network
from probgen.errors import ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

__all__ = ["machine_from_network", "network_of_machine"]


def network_of_machine(machine: BoltzmannMachine) -> Network:
    """The machine as a Markov network: minus its energy is the sum of the log tables.

    The variables are x[0], x[1] ... of a site x, those above the visible layer latent; states
    are 0, 1 ... Raises `ModelError` for Gaussian units.
    """
    names: list[str] = []
    places: list[list[tuple[int, Units, slice]]] = []  # by layer: variable, units, columns
    for layer in machine.layers:
        units_of_layer, column = [], 0
        for units in layer:
            if not units.discrete:
                raise ModelError(
                    f"The units {units.name!r} are Gaussian: a discrete network cannot hold them."
                )
            step = units.width // units.size
            for unit in range(units.size):
                units_of_layer.append((len(names), units, slice(column, column + step)))
                names.append(f"{units.name}[{unit}]")
                column += step
        places.append(units_of_layer)
    factors = []
    for units_of_layer, parameter in zip(places, machine.biases, strict=True):
        bias = parameter.detach().cpu().double().numpy()
        factors += [Factor((v,), _table(bias[at], units)) for v, units, at in units_of_layer]
    for (below, above), parameter in zip(pairwise(places), machine.weights, strict=True):
        weight = parameter.detach().cpu().double().numpy()
        factors += [
            Factor((low, high), _table(weight[rows, columns], units, upper))
            for low, units, rows in below
            for high, upper, columns in above
        ]
    cards = [units.states for layer in places for _, units, _ in layer]
    return Network(
        tuple(names),
        tuple(tuple(range(card)) for card in cards),
        tuple(factors),
        type(machine).__name__,
        frozenset(range(len(places[0]), len(names))),
    )


def machine_from_network(
    network: Any, layers: Sequence[Sequence[Hashable]] | None = None
) -> tuple[BoltzmannMachine, float]:
    """A machine with the law of a network, and what the network's log Z is above the machine's.

    Args:
        network: a `Network` or a pgmpy model with factors of one and two variables, no zeros.
        layers: names of the variables of each layer, the visible one first. When left out, the
            latent variables are the hidden layer; where there are none, the variables are told
            apart by who is joined to whom, the first one being visible.

    The machine (float64) has sites x and h, or x, h1, h2 ... of more layers: Bernoulli units of
    the variables with two states, and apart from them categorical ones, as x_3 of three states.
    Units of a site are in the order of `layers`, else of the network.

    Raises `ModelError` for larger factors, zeros, and variables that are joined within a layer
    or across one; the message names them.

    """
    network = read_network(network)
    _check(network)
    blocks = blocks_of(network, layers_of(network, layers))
    machine = BoltzmannMachine([[units for units, _ in layer] for layer in blocks]).double()
    for parameter in machine.parameters():
        parameter.data.zero_()
    places: dict[int, tuple[int, slice]] = {}  # variable -> layer and columns
    for number, layer in enumerate(blocks):
        column = 0
        for units, variables in layer:
            for v in variables:
                places[v] = number, slice(column, column + units.width // units.size)
                column += units.width // units.size
    constant = 0.0
    with torch.no_grad():
        for factor in network.factors:
            constant += _add(machine, factor, places)
    return machine, constant


def _table(parameter: np.ndarray, *axes: Units) -> np.ndarray:
    """A log table from a bias or weights: Bernoulli units have 0 where they are off."""
    for axis, units in enumerate(axes):
        if units.kind == "bernoulli":
            before = [(1, 0) if axis == each else (0, 0) for each in range(parameter.ndim)]
            parameter = np.pad(parameter, before)
    return np.array(parameter)  # a copy: the machine may go on learning


def _add(machine: BoltzmannMachine, factor: Factor, places: dict[int, tuple[int, slice]]) -> float:
    """Put a factor into biases and weights; returns the constant that is left."""
    table, scope = factor.log_table, factor.scope
    if len(scope) == 2 and places[scope[0]][0] > places[scope[1]][0]:
        table, scope = table.T, scope[::-1]
    ons = [places[v][1] for v in scope]
    binary = [at.stop - at.start == 1 for at in ons]
    # Split along every Bernoulli axis: the entry where it is off, and the rest above it.
    pieces: list[tuple[tuple[int, ...], np.ndarray]] = [((), table)]
    for axis, is_binary in enumerate(binary):
        split = []
        for used, part in pieces:
            if is_binary:
                off = part.take([0], axis)
                split += [(used, off), ((*used, axis), part.take([1], axis) - off)]
            else:
                split.append(((*used, axis), part))
        pieces = split
    constant = 0.0
    for used, part in pieces:
        value = torch.from_numpy(part.copy())
        if len(used) == 2:
            low = places[scope[0]][0]
            machine.weights[low][ons[0], ons[1]] += value
        elif len(used) == 1:
            layer, at = places[scope[used[0]]]
            machine.biases[layer][at] += value.reshape(-1)
        else:
            constant += float(value)
    return constant


def _check(network: Network) -> None:
    for factor in network.factors:
        names = [network.names[v] for v in factor.scope]
        if len(names) > 2:
            raise ModelError(
                f"The factor over {names} joins {len(names)} variables; a Boltzmann machine "
                "joins two at a time."
            )
        if np.isneginf(factor.log_table).any():
            raise ModelError(
                f"The factor over {names} makes a state impossible; the weights of a Boltzmann "
                "machine are finite. Give it a small probability."
            )
