"""Replications of a discrete network: joint draws, evidence put in, and the engine's draws."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.network import Network
from probgen.declare.networks.evidence import resolve_evidence
from probgen.errors import OptionError
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.inference.graphical.method import GraphMethod
from probgen.inference.infer_network import NetworkOptions, infer_network
from probgen.results.network_tree import MOST_VARIABLES
from probgen.studies.sbc.replication import Case, Posterior, seeds_of
from probgen.targets.factors import Factors, condition

__all__ = ["LOG_JOINT", "NetworkStudy", "evidence_variables", "joint_draws"]

LOG_JOINT = "log_joint"
"""Log probability of all free variables together: a quantity that no marginal can stand for."""
SAMPLE_DIMS = ("chain", "draw")


@dataclass(frozen=True)
class NetworkStudy:
    """A network, the variables that are evidence, and the engine that is put to the test."""

    model: Network
    method: GraphMethod | None
    observed: tuple[int, ...]
    truths: np.ndarray
    """Independent draws of all variables, (replication, variable)."""
    seed: int
    ranks: int
    chains: int | None
    draws: int
    warmup: int | None

    def case(self, index: int) -> Case:
        """Take a joint draw, and put the states of the observed variables in as evidence."""
        states = self.truths[index]
        factors = condition(self.model, {v: int(states[v]) for v in self.observed})
        free = states[factors.free]
        truth = self._by_name(factors, free)
        truth[LOG_JOINT] = np.asarray(factors.log_joint(free))
        return Case(truth, factors)

    def infer(self, case: Case, index: int, draws: int) -> Posterior:
        """Joint draws by the engine; from its marginals where it does not draw."""
        factors: Factors = case.given
        seed, own = seeds_of(self.seed, index, 4)[2:]
        options = NetworkOptions(
            self.chains, draws, self.warmup, seed=seed, threads=1, progress=False
        )
        tree = infer_network(self.model, self.method, self._evidence(factors), options)
        if "posterior" in tree.children:
            states = _states(tree, len(factors.free))
            values = self._by_name(factors, states)
            return Posterior({**values, LOG_JOINT: factors.log_joint(states)})
        return Posterior(self._by_name(factors, _from_marginals(tree, factors, self.ranks, own)))

    def _evidence(self, factors: Factors) -> dict[Hashable, Any]:
        network = self.model
        return {network.names[v]: network.states[v][s] for v, s in factors.evidence.items()}

    def _by_name(self, factors: Factors, states: np.ndarray) -> dict[str, np.ndarray]:
        """State numbers (..., free variable) by variable; one array where there are many."""
        if len(factors.free) > MOST_VARIABLES:
            return {"state": states}
        labels = self.model.labels()
        return {labels[v]: np.asarray(states[..., k]) for k, v in enumerate(factors.free)}


def joint_draws(network: Network, count: int, seed: int) -> np.ndarray:
    """Independent draws of all variables of a network, (count, variable).

    The same seed gives the same draws, however many are asked for.
    A Bayesian network is drawn parents first; others by exact elimination, which raises
    `TooLargeError` where the network is too wide.
    """
    if network.kind != "bayesian":
        return calibrate(condition(network)).sample(count, seed)
    uniform = np.random.default_rng([seed % 2**64, 0x5BC]).random((count, len(network.names)))
    table_of = {factor.child: factor for factor in network.factors}
    states = np.zeros((count, len(network.names)), dtype=np.int64)
    done: set[int] = set()
    while len(done) < len(network.names):
        ready = [
            v for v in range(len(network.names)) if v not in done
            and done.issuperset(network.parents(v))
        ]  # fmt: skip
        for v in ready:
            factor = table_of[v]
            table = np.moveaxis(np.exp(factor.log_table), factor.scope.index(v), -1)
            chances = table[tuple(states[:, p] for p in network.parents(v))]
            edges = np.cumsum(np.broadcast_to(chances, (count, chances.shape[-1])), axis=1)
            at = uniform[:, v, None] * edges[:, -1:]
            states[:, v] = (at >= edges).sum(axis=1)
        done.update(ready)
    return states


def evidence_variables(
    network: Network, data: Mapping[Any, Any] | None, asked: Collection[Any] | None
) -> tuple[int, ...]:
    """Positions of the variables to observe: those asked for, or those that `data` observes.

    Raises `OptionError` for soft evidence and where nothing is observed, `DataError` for
    unknown names.
    """
    if asked is not None:
        return tuple(sorted({_position(network, name) for name in asked}))
    hard, soft = resolve_evidence(network, data)
    if soft:
        name = network.names[next(iter(soft))]
        raise OptionError(
            f"Calibration draws the evidence from the network, which cannot be done for the "
            f"likelihood given for {name!r}: give it a state."
        )
    if not hard:
        raise OptionError(
            "Nothing is observed: name the variables that shall be evidence, as in "
            f"observed=[{network.names[-1]!r}]."
        )
    return tuple(sorted(hard))


def _position(network: Network, name: Any) -> int:
    labels = {label: v for v, label in enumerate(network.labels())}
    v = network.position.get(name, labels.get(str(name)))
    if v is None:
        raise OptionError(
            f"observed: the network has no variable {name!r}; it has "
            f"{', '.join(list(labels)[:12])} ..."
        )
    return v


def _states(tree: xr.DataTree, count: int) -> np.ndarray:
    """Draws (chain, draw, free variable)."""
    posterior = tree["posterior"].dataset
    if count > MOST_VARIABLES:
        return posterior["state"].transpose(*SAMPLE_DIMS, "variable").values
    arrays = [array.transpose(*SAMPLE_DIMS).values for array in posterior.data_vars.values()]
    return np.stack(arrays, axis=-1).astype(np.int64)


def _from_marginals(tree: xr.DataTree, factors: Factors, count: int, seed: int) -> np.ndarray:
    """Draws (1, count, free variable), each variable by itself, from an engine's marginals."""
    rng = np.random.default_rng(seed)
    every = tree["marginals"].dataset["probability"].values
    ends = np.cumsum(factors.cards)
    columns = []
    for start, end in zip(ends - factors.cards, ends, strict=True):
        edges = np.cumsum(every[start:end])
        columns.append((rng.random(count)[:, None] * edges[-1] >= edges).sum(axis=1))
    return np.stack(columns, axis=-1)[None]
