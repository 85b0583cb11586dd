"""A linear-Gaussian network as a Pyro program."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

import pyro.distributions as dist
import torch

from probgen.declare.networks.row_program import Node, row_program

if TYPE_CHECKING:
    from probgen.declare.networks.gaussian_network import GaussianNetwork

__all__ = ["gaussian_program"]


def gaussian_program(network: GaussianNetwork) -> Callable[..., dict[str, Any]]:
    """A Pyro program with a `Normal` site per node, deterministic ones where the deviation is 0.

    Data go in by label: numbers, or arrays whose first axis is the rows of a plate "row"; nodes
    without data are latent, in every row by themselves. The program raises `DataError` for data
    that do not fit, or that observe a deterministic node.
    """
    labels = network.labels()
    nodes = [Node(network.names[v], labels[v], _normal(network, v)) for v in network.order]
    return row_program(network.title, nodes)


def _normal(network: GaussianNetwork, v: int) -> Callable[..., Any]:
    given = [network.names[parent] for parent in network.parents[v]]
    weights = [float(weight) for weight in network.coefficients[v]]
    intercept = torch.tensor(network.intercepts[v], dtype=torch.float64)
    deviation = float(network.standard_deviations[v])

    def conditional(values: Mapping[Hashable, Any], _: Mapping[str, Any]) -> Any:
        mean = intercept
        for parent, weight in zip(given, weights, strict=True):
            mean = mean + weight * values[parent]
        return dist.Normal(mean, deviation) if deviation > 0 else mean

    return conditional
