"""Exact inference in linear-Gaussian networks: conditioning, log evidence, exact draws.

Every node is an affine function of independent standard normal noise z, x = mean + root z.
Evidence restricts z to an affine subspace: orthonormal directions fixed by the observed nodes
come from Gram-Schmidt with reorthogonalisation (Daniel, Gragg, Kaufman and Stewart, 1976), and
the posterior of z is standard normal on the rest. No covariance is ever inverted, so singular
ones (deterministic nodes, standard deviation 0) need no care.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from probgen.declare.networks.gaussian_network import GaussianNetwork
from probgen.declare.networks.unknown_names import unknown_node
from probgen.errors import DataError, EvidenceError

__all__ = ["GaussianPosterior", "condition_gaussian"]

_FIXED = 1e-11
"""A node whose conditional deviation is this small a part of its own is taken as determined."""
_AGREES = 1e-6
"""How far, relatively, evidence on a determined node may lie from what the rest implies."""


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """The joint normal distribution of the free nodes of a network, given evidence.

    Attributes
    ----------
    names: the free nodes, in the order of the network.
    mean: (n,); root: (n, r), a square root of the covariance, of rank r or less.
    log_evidence: nats; the log density of the observed nodes, in which a node determined by
        its predecessors in topological order counts as certain (0 nats).
    free_labels: the names as texts.

    """

    names: tuple[Hashable, ...]
    mean: np.ndarray
    root: np.ndarray
    log_evidence: float
    free_labels: tuple[str, ...]

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the free nodes, (n, n); singular with deterministic nodes."""
        return self.root @ self.root.T

    @property
    def standard_deviations(self) -> np.ndarray:
        """Standard deviation of each free node, (n,)."""
        return np.sqrt(np.square(self.root).sum(axis=1))

    def draw(self, chains: int, draws: int, seed: int) -> np.ndarray:
        """Independent exact draws, (chains, draws, n); a chain's draws depend on seed alone."""
        rank = self.root.shape[1]
        noise = np.empty((chains, draws, rank))
        for chain in range(chains):
            generator = np.random.default_rng([seed % 2**128, chain])
            noise[chain] = generator.standard_normal((draws, rank))
        return self.mean + noise @ self.root.T

    def labels(self) -> list[str]:
        """The names as the network's texts for a DataTree."""
        return list(self.free_labels)


def condition_gaussian(
    network: GaussianNetwork, evidence: Mapping[Hashable, float] | None = None
) -> GaussianPosterior:
    """The posterior of the nodes without evidence, exactly, in O(nodes^3) at most.

    `evidence` maps names to numbers; None leaves a node free. Raises `DataError` for an unknown
    node or a value that is no finite number, and `EvidenceError` naming a deterministic node
    whose value contradicts its parents'.
    """
    values = _values(network, evidence or {})
    observed = [v for v in network.order if v in values]
    free = [v for v in range(len(network.names)) if v not in values]
    basis = np.empty((len(observed), len(network.names)))  # rows: directions of the noise
    scores = np.empty(len(observed))
    rank, log_evidence = 0, 0.0
    for v in observed:
        known, row = basis[:rank], network.root[v]
        rest = row - (known @ row) @ known
        rest -= (known @ rest) @ known
        deviation, own = float(np.linalg.norm(rest)), float(np.linalg.norm(row))
        predicted = network.mean[v] + float(scores[:rank] @ (known @ row))
        if deviation <= _FIXED * own:
            _check_determined(network, v, values[v], predicted, own)
            continue
        score = (values[v] - predicted) / deviation
        log_evidence -= 0.5 * (score * score + math.log(2 * math.pi)) + math.log(deviation)
        basis[rank], scores[rank] = rest / deviation, score
        rank += 1
    known = basis[:rank]
    root = network.root[free]
    mean = network.mean[free] + root @ (scores[:rank] @ known)
    labels = network.labels()
    return GaussianPosterior(
        names=tuple(network.names[v] for v in free),
        mean=mean,
        root=root @ _complement(known),
        log_evidence=log_evidence,
        free_labels=tuple(labels[v] for v in free),
    )


def _complement(known: np.ndarray) -> np.ndarray:
    """Orthonormal directions, as columns, orthogonal to the rows of `known`."""
    rank, n = known.shape
    return np.linalg.qr(known.T, mode="complete")[0][:, rank:] if rank else np.eye(n)


def _check_determined(
    network: GaussianNetwork, v: int, value: float, predicted: float, deviation: float
) -> None:
    scale = max(abs(value), abs(predicted), deviation)
    if abs(value - predicted) > _AGREES * scale:
        raise EvidenceError(
            f"Impossible evidence: {network.names[v]}={value:g}, but the other evidence and the "
            f"deterministic nodes of {network.title!r} make it {predicted:g}."
        )


def _values(network: GaussianNetwork, evidence: Mapping[Hashable, float]) -> dict[int, float]:
    found = {}
    for name, value in evidence.items():
        if name not in network.position:
            raise DataError(unknown_node(network.title, name, network.names))
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"The evidence {name}={value!r} is no finite number.")
        found[network.position[name]] = number
    return found
