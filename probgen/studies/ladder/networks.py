"""Rung: engines on small networks against the sum over all their joint states.

The networks have what engines stumble over: loops, more than two states, forced states, zeros
that tie variables together, strong couplings, evidence. Draws are compared through the indicator
of every state and the log probability of the whole state, within their Monte Carlo error;
engines without draws by their marginals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.errors import EvidenceError
from probgen.inference.graphical.method import GraphPlan, GraphResult, state_offsets
from probgen.studies.ladder.exact_targets import effective_sizes, standard_errors
from probgen.studies.ladder.outcome import Outcome
from probgen.targets.factors import Factors, condition

__all__ = ["RUNG", "climb", "climb_evidence", "networks"]

RUNG = "exact network"
SIGMAS = 5.0
LEAST_ESS, ENOUGH_ESS = 100, 4000
MOST_DRAWS = 50_000  # of all chains together, beyond which no more are asked for
EXACT = 1e-6  # largest error of a marginal that counts as none
RARE = 20.0  # expected visits below which the indicator of a state says nothing


@cache
def networks() -> tuple[Network, ...]:
    """Small networks, each with a name for its difficulty."""
    return (_chain(), _loop(), _grid(), _cards(), _forced(), _copies())


def climb(method: Any, network: Network, seed: int) -> Outcome:
    """Compare with the truth, without evidence."""
    return _climb(method, condition(network), network.title, seed)


def climb_evidence(method: Any, network: Network, seed: int) -> Outcome:
    """The same with the first variable observed in its likeliest state."""
    marginal = _brute_force(condition(network))[0]
    state = int(np.argmax(marginal[: network.cards[0]]))
    return _climb(method, condition(network, {0: state}), f"{network.title}, evidence", seed)


def _climb(method: Any, factors: Factors, name: str, seed: int) -> Outcome:
    marginals, every, weights = _brute_force(factors)
    draws = method.defaults.get("draws", 0)
    while True:
        result = _run(method, factors, draws, seed)
        if result.states is None or result.states.size == 0:
            return _by_marginals(name, result, marginals)
        values, truth, sd = _functions(factors, result.states, marginals, every, weights)
        ess = effective_sizes(values)
        if len(ess) == 0 or ess.min() >= ENOUGH_ESS or result.states[..., 0].size >= MOST_DRAWS:
            break
        draws *= 4
    impossible = _impossible(factors, result.states)
    if impossible:
        note = f"{impossible} draws have probability zero"
        return Outcome(RUNG, name, False, float(impossible), "no impossible draw", note)
    if len(ess) and ess.min() < LEAST_ESS:
        note = f"the draws hardly move: ESS {ess.min():.0f}, at least {LEAST_ESS} is needed"
        return Outcome(RUNG, name, False, float(ess.min()), f">= {LEAST_ESS} ESS", note)
    worst = float(standard_errors(values, truth, sd, ess).max(initial=0.0))
    stated = float(np.abs(result.marginals.probabilities - marginals).max(initial=0.0))
    note = f"largest error of a marginal {stated:.1g}"
    return Outcome(RUNG, name, worst <= SIGMAS, worst, f"<= {SIGMAS:g} standard errors", note)


def _run(method: Any, factors: Factors, draws: int, seed: int) -> GraphResult:
    defaults = method.defaults
    chains, warmup = max(defaults.get("chains", 1), 1), defaults.get("warmup", 0)
    return method.run(factors, GraphPlan(chains, draws, warmup, seed, threads=2))


def _by_marginals(name: str, result: GraphResult, marginals: np.ndarray) -> Outcome:
    """Of an engine without draws: exact, or an approximation that is told as such."""
    found = result.marginals.probabilities
    worst = float(np.abs(found - marginals).max(initial=0.0))
    if result.marginals.errors is not None:
        errors = np.abs(found - marginals) / np.maximum(result.marginals.errors, 1e-4)
        return Outcome(
            RUNG, name, bool(errors.max(initial=0) <= SIGMAS), float(errors.max(initial=0)),
            f"<= {SIGMAS:g} standard errors",
        )  # fmt: skip
    if worst <= EXACT:
        return Outcome(RUNG, name, True, worst, f"marginals within {EXACT:g}")
    note = f"approximate: a marginal is off by {worst:.2g}"
    return Outcome(RUNG, name, None, worst, f"marginals within {EXACT:g}", note)


def _functions(
    factors: Factors, states: np.ndarray, marginals: np.ndarray, every: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Indicators of states that are neither rare nor certain, and the log joint; truth and sd."""
    offsets, count = state_offsets(factors.cards), states.shape[0] * states.shape[1]
    columns, truth, sd = [], [], []
    for v, card in enumerate(factors.cards):
        for state in range(card):
            p = marginals[offsets[v] + state]
            if min(p, 1 - p) * count >= RARE:
                columns.append(states[:, :, v] == state)
                truth.append(p)
                sd.append(np.sqrt(p * (1 - p)))
    logs = factors.log_joint(every)
    possible = weights > 0
    mean = float(weights[possible] @ logs[possible])
    spread = float(np.sqrt(weights[possible] @ (logs[possible] - mean) ** 2))
    if spread > 1e-9:
        columns.append(factors.log_joint(states))
        truth.append(mean)
        sd.append(spread)
    values = np.array(columns, dtype=float).reshape(len(columns), *states.shape[:2])
    return values, np.array(truth), np.array(sd)


def _impossible(factors: Factors, states: np.ndarray) -> int:
    return int((factors.log_joint(states) == -np.inf).sum())


def _brute_force(factors: Factors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Marginals in a row, every joint state, and their probabilities."""
    every = np.array(list(itertools.product(*(range(c) for c in factors.cards))), dtype=np.int64)
    every = every.reshape(-1, len(factors.cards))
    logs = factors.log_joint(every)
    if not np.isfinite(logs.max()):
        raise EvidenceError("The network has no possible state.")
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    parts = [
        np.bincount(every[:, v], weights=weights, minlength=card)
        for v, card in enumerate(factors.cards)
    ]
    return np.concatenate(parts) if parts else np.zeros(0), every, weights


def _network(title: str, cards: list[int], tables: dict[tuple[int, ...], Any]) -> Network:
    names = tuple(f"x{v}" for v in range(len(cards)))
    states = tuple(tuple(f"s{s}" for s in range(card)) for card in cards)
    with np.errstate(divide="ignore"):
        factors = tuple(Factor(s, np.log(np.asarray(t, dtype=float))) for s, t in tables.items())
    return Network(names, states, factors, title)


def _random(seed: int, scale: float) -> Callable[..., np.ndarray]:
    rng = np.random.default_rng(seed)
    return lambda *shape: np.exp(scale * rng.standard_normal(shape))


def _chain() -> Network:
    table = _random(1, 1.0)
    return _network("chain", [2, 3, 2, 3, 2], {(v, v + 1): table(2 + v % 2, 3 - v % 2)
                                               for v in range(4)})  # fmt: skip


def _loop() -> Network:
    table = _random(2, 1.0)
    return _network("loop", [2] * 5, {(v, (v + 1) % 5): table(2, 2) for v in range(5)})


def _grid() -> Network:
    """Three by three spins, coupled rather strongly, in a field."""
    agree = np.exp(0.4 * np.array([[1.0, -1.0], [-1.0, 1.0]]))
    tables: dict[tuple[int, ...], Any] = {}
    for row, column in itertools.product(range(3), range(3)):
        v = 3 * row + column
        tables[(v,)] = np.exp([0.1 * row, 0.2])
        if column < 2:
            tables[(v, v + 1)] = agree
        if row < 2:
            tables[(v, v + 3)] = agree
    return _network("spins", [2] * 9, tables)


def _cards() -> Network:
    table = _random(3, 0.8)
    return _network("many states", [5, 2, 4, 3],
                    {(0, 1, 2): table(5, 2, 4), (2, 3): table(4, 3), (3, 0): table(3, 5),
                     (1,): table(2)})  # fmt: skip


def _forced() -> Network:
    """Zeros leave one state to the second variable and forbid pairs of others."""
    return _network("zeros", [3, 2, 3], {(1,): [0.0, 1.0], (0, 1): [[1, 2], [3, 1], [2, 2]],
                    (0, 2): [[0.0, 1, 2], [1, 0.5, 1], [1, 2, 1]]})  # fmt: skip


def _copies() -> Network:
    """Two variables that are always equal: single updates of them would never move."""
    table = _random(4, 0.7)
    return _network("copies", [3, 3, 2, 2], {(0, 1): np.eye(3), (0, 2): table(3, 2),
                    (1, 3): table(3, 2), (2, 3): table(2, 2)})  # fmt: skip
