"""Small networks that engines trip over, and their exact answers by brute force."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.targets.factors import Factors


@dataclass(frozen=True)
class Truth:
    """log_z in nats; joint over all free variables; marginals of each free variable."""

    log_z: float
    joint: np.ndarray
    marginals: list[np.ndarray]


def brute_force(factors: Factors) -> Truth:
    """Sum over every joint state of the free variables (at most about a million)."""
    cards = [int(card) for card in factors.cards]
    if not cards:
        return Truth(float(factors.log_constant), np.ones(()), [])
    states = np.array(list(itertools.product(*map(range, cards))), dtype=np.int64)
    states = states.reshape(-1, len(cards))
    logs = factors.log_joint(states)
    top = logs.max()
    weights = np.exp(logs - top)
    joint = (weights / weights.sum()).reshape(cards)
    axes = range(len(cards))
    marginals = [joint.sum(axis=tuple(a for a in axes if a != v)) for v in axes]
    return Truth(float(top + np.log(weights.sum())), joint, marginals)


def markov(cards: list[int], scopes: list[tuple[int, ...]], seed: int, title: str) -> Network:
    """A Markov network with random tables."""
    rng = np.random.default_rng(seed)
    factors = tuple(Factor(s, rng.normal(0, 1, [cards[v] for v in s])) for s in scopes)
    return Network(
        tuple(f"x{v}" for v in range(len(cards))),
        tuple(tuple(f"s{k}" for k in range(card)) for card in cards),
        factors,
        title,
    )


def bayesian(
    cards: list[int],
    parents: list[tuple[int, ...]],
    seed: int,
    title: str,
    deterministic: tuple[int, ...] = (),
) -> Network:
    """A Bayesian network with random tables, one-hot ones for the `deterministic` children."""
    rng = np.random.default_rng(seed)
    factors = []
    for child, given in enumerate(parents):
        shape = [cards[v] for v in given]
        if child in deterministic:
            table = np.eye(cards[child])[rng.integers(0, cards[child], shape)]
        else:
            table = rng.dirichlet(np.full(cards[child], 2.0), shape or None)
        with np.errstate(divide="ignore"):
            factors.append(Factor((*given, child), np.log(table), child))
    return Network(
        tuple(f"x{v}" for v in range(len(cards))),
        tuple(tuple(f"s{k}" for k in range(card)) for card in cards),
        tuple(factors),
        title,
    )


def grid(rows: int, columns: int, coupling: float, field: float, seed: int | None = 0) -> Network:
    """An Ising grid (binary, free borders); random couplings and fields unless seed is None."""
    rng = np.random.default_rng(seed)
    scale = (lambda: 1.0) if seed is None else (lambda: float(rng.normal()))
    factors = []
    for r, c in itertools.product(range(rows), range(columns)):
        v = r * columns + c
        h = field * scale()
        factors.append(Factor((v,), np.array([-h, h])))
        for w in ([v + 1] if c + 1 < columns else []) + ([v + columns] if r + 1 < rows else []):
            j = coupling * scale()
            factors.append(Factor((v, w), np.array([[j, -j], [-j, j]])))
    n = rows * columns
    return Network(
        tuple((r, c) for r in range(rows) for c in range(columns)),
        ((-1, 1),) * n,
        tuple(factors),
        f"grid{rows}x{columns}",
    )


def xor() -> Network:
    """c = a xor b with fair coins: no single variable can ever move."""
    half = np.log([0.5, 0.5])
    table = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], dtype=float)
    with np.errstate(divide="ignore"):
        third = Factor((0, 1, 2), np.log(table), 2)
    return Network(
        ("a", "b", "c"),
        (("no", "yes"),) * 3,
        (Factor((0,), half, 0), Factor((1,), half, 1), third),
        "xor",
    )


# Positive everywhere: any sampler must get these right.
POSITIVE: dict[str, Network] = {
    "chain": markov([2, 3, 4, 2], [(0, 1), (1, 2), (2, 3)], 1, "chain"),
    "loop": markov([2, 2, 3, 2], [(0, 1), (1, 2), (2, 3), (3, 0), (1,)], 2, "loop"),
    "disconnected": markov([2, 3, 2, 2], [(0, 1), (2, 3)], 3, "disconnected"),
    "isolated": markov([2, 3, 4], [(0, 1)], 4, "isolated"),
    "unary": markov([3, 2], [(0,), (1,)], 5, "unary"),
    "no_factor": markov([2, 3], [], 6, "no_factor"),
    "duplicated": markov([2, 3, 2], [(0, 1), (1, 0), (0, 1), (1, 2)], 7, "duplicated"),
    "single": markov([5], [(0,)], 8, "single"),
    "one_state": markov([1, 3, 2], [(0, 1), (1, 2), (0,)], 9, "one_state"),
    "high_order": markov([2, 3, 2, 2, 2], [(0, 1, 2, 3, 4), (4, 2)], 10, "high_order"),
    "star": markov([3] + [2] * 9, [(0, k) for k in range(1, 10)], 11, "star"),
    "complete": markov([2] * 6, list(itertools.combinations(range(6), 2)), 12, "complete"),
    "cards": markov([7, 2, 11, 3], [(0, 1), (1, 2), (2, 3), (0, 3), (0, 2, 1)], 13, "cards"),
    "grid": grid(3, 4, 0.5, 0.3),
    "bayesian": bayesian([2, 3, 2, 4], [(), (0,), (0, 1), (2,)], 14, "bayesian"),
}
# With zeros: single-site Gibbs is not ergodic on some of these.
DETERMINISTIC: dict[str, Network] = {
    "xor": xor(),
    "functional": bayesian(
        [2, 3, 3, 2, 2], [(), (), (0, 1), (2,), (2, 3)], 15, "functional", deterministic=(2, 4)
    ),
    "copies": bayesian([4, 4, 4, 2], [(), (0,), (1,), (2,)], 16, "copies", (1, 2)),
}
AWKWARD: dict[str, Network] = {**POSITIVE, **DETERMINISTIC}
