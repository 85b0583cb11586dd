"""Random networks with zeros, and what is true of them by listing all joint states."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import bayesian, brute_force, markov


def with_zeros(seed: int) -> Factors:
    """A random Markov network of 3 to 6 variables with many zeros and something possible."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 7))
    cards = [int(c) for c in rng.integers(1, 4, n)]
    scopes = []
    for _ in range(int(rng.integers(2, 6))):
        size = int(rng.integers(1, min(4, n + 1)))
        scopes.append(tuple(int(v) for v in rng.choice(n, size, replace=False)))
    network = markov(cards, scopes, seed, f"zeros{seed}")
    possible = [int(rng.integers(c)) for c in cards]
    share = rng.choice([0.2, 0.5, 0.7])
    factors = []
    for factor in network.factors:
        table = np.where(rng.random(factor.log_table.shape) < share, -np.inf, factor.log_table)
        table[tuple(possible[v] for v in factor.scope)] = 0.0
        factors.append(Factor(factor.scope, table))
    return condition(Network(network.names, network.states, tuple(factors), network.title))


def deterministic(seed: int) -> Factors:
    """A random Bayesian network in which about half the children are functions, and evidence."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 9))
    cards = [int(c) for c in rng.integers(2, 4, n)]
    parents = [
        tuple(int(v) for v in rng.choice(k, min(k, int(rng.integers(0, 3))), replace=False))
        for k in range(n)
    ]
    functions = tuple(k for k in range(n) if parents[k] and rng.random() < 0.6)
    network = bayesian(cards, parents, seed, f"deterministic{seed}", functions)
    joint = brute_force(condition(network)).joint
    drawn = np.unravel_index(rng.choice(joint.size, p=joint.ravel()), joint.shape)
    seen = rng.choice(n, int(rng.integers(0, 3)), replace=False)
    return condition(network, {int(v): int(drawn[v]) for v in seen})


def possible_states(factors: Factors) -> np.ndarray:
    """All joint states of positive probability, (states, variables)."""
    states = np.array(list(itertools.product(*(range(int(c)) for c in factors.cards))))
    return states[factors.log_joint(states) > -np.inf]


def all_reached(factors: Factors, moves: Iterable[Sequence[int]]) -> bool:
    """Whether `moves`, sets of variables, lead from one possible state to every other."""
    states = [tuple(map(int, state)) for state in possible_states(factors)]
    moves = list(moves)
    groups: dict[tuple[object, ...], list[tuple[int, ...]]] = {}

    def keys(state):
        for m, move in enumerate(moves):
            yield (m, *(s for v, s in enumerate(state) if v not in move))

    for state in states:
        for key in keys(state):
            groups.setdefault(key, []).append(state)
    seen, waiting = {states[0]}, [states[0]]
    while waiting:
        for key in keys(waiting.pop()):
            new = set(groups[key]) - seen
            seen |= new
            waiting.extend(new)
    return len(seen) == len(states)


def moves_of(factors: Factors, blocks: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """A plan's moves: its blocks, and each variable in none of them alone."""
    inside = set().union(*blocks)
    return [*blocks, *([v] for v in range(len(factors.cards)) if v not in inside)]
