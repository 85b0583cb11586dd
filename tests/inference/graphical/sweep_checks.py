"""What every kernel of the sweeps must satisfy: right marginals with honest errors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from probgen.compile.build import build
from probgen.declare.network import Factor, Network
from probgen.inference.graphical.native.library import source
from probgen.inference.graphical.sweeps.native import sweep_library
from probgen.inference.graphical.sweeps.sweeper import Sweeper
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import brute_force, grid, markov

CHAINS, WARMUP, SWEEPS = 640, 40, 250


def random_states(factors: Factors, chains: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    states = np.zeros((len(factors.cards), chains), dtype=np.uint8)
    for v, card in enumerate(factors.cards):
        states[v] = rng.integers(0, card, chains)
    return states


def z_scores(
    factors: Factors, sweeper, key: int = 1, *, chains: int = CHAINS, sweeps: int = SWEEPS
) -> np.ndarray:
    """Of all marginals against brute force, with errors from the spread between chains."""
    states = random_states(factors, chains)
    counts = np.zeros((int(factors.cards.sum()), chains), dtype=np.uint32)
    sweeper.sweep(states, key, 0, WARMUP)
    sweeper.sweep(states, key, WARMUP, sweeps, counts=counts)
    means = counts / sweeps
    exact = np.concatenate(brute_force(factors).marginals)
    errors = means.std(axis=1, ddof=1) / np.sqrt(chains)
    certain = (exact < 1e-12) | (exact > 1 - 1e-12)
    np.testing.assert_array_equal(means.mean(axis=1)[certain], np.round(exact[certain]))
    return ((means.mean(axis=1) - exact) / np.maximum(errors, 1e-9))[~certain]


def check_marginals(make: Callable[[Factors], object], networks: list[Network]) -> None:
    """Every marginal within five standard errors, and all of them together as spread as told."""
    scores = []
    for network in networks:
        factors = condition(network)
        scores.append(z_scores(factors, make(factors)))
    every = np.concatenate(scores)
    assert np.abs(every).max() < 5, [float(np.abs(s).max(initial=0)) for s in scores]
    assert 0.7 < np.sqrt(np.mean(every**2)) < 1.3


def uniform_grid(rows: int, columns: int, coupling: float = 0.4) -> Network:
    return grid(rows, columns, coupling, 0.15, seed=None)


def hub(leaves: int, strength: float, seed: int = 0) -> Network:
    """A variable of three states with many neighbours of two that pull it about."""
    rng = np.random.default_rng(seed)
    pulls = rng.normal(0, strength, (leaves, 3, 1)) * np.array([-1.0, 1.0])
    factors = [Factor((0, 1 + k), pulls[k]) for k in range(leaves)]
    return Network(
        tuple(range(leaves + 1)), ((0, 1, 2),) + ((0, 1),) * leaves, tuple(factors), "hub"
    )


def extreme() -> Network:
    """Tables that range over 600 nats and cancel each other."""
    big = np.array([[300.0, -300.0], [-299.0, 300.5]])
    return Network(
        ("a", "b", "c", "d"),
        ((0, 1),) * 3 + ((0, 1, 2),),
        (
            Factor((0, 1), big),
            Factor((0, 1), -big + np.array([[0.3, -0.2], [0.1, 0.4]])),
            Factor((1, 2), np.array([[0.5, 0.0], [0.0, 0.7]])),
            Factor((2, 3), np.array([[200.0, 0.0, -200.0], [-200.0, 0.3, 200.0]])),
            Factor((2, 3), np.array([[-200.0, 0.0, 200.4], [200.5, 0.0, -200.0]])),
        ),
        "extreme",
    )


def steep() -> Network:
    """A state that every table all but forbids: a product of floats would underflow."""
    rng = np.random.default_rng(8)
    tables = rng.normal(0, 0.7, (3, 3, 2))
    tables[:, 2] -= 60.0
    factors = (*(Factor((0, k + 1), tables[k]) for k in range(3)), Factor((1, 2), tables[0, :2]))
    return Network(tuple("abcd"), ((0, 1, 2), (0, 1), (0, 1), (0, 1)), factors, "steep")


def rare() -> Network:
    """States of a probability far below the leading bits of a threshold."""
    with np.errstate(divide="ignore"):
        single = np.log([[2e-5, 1 - 2e-5], [1 - 3e-5, 3e-5], [0.5, 0.5]])
    return Network(
        ("a", "b", "c"),
        ((0, 1),) * 3,
        tuple(Factor((v,), single[v]) for v in range(3)),
        "rare",
    )


def many_states(card: int = 40) -> Network:
    return markov([card, 3, card], [(0, 1), (1, 2), (0, 2)], 21, "many_states")


def built(changes: dict[str, str]) -> ctypes.CDLL:
    """The sweeps' library with some of its text replaced."""
    text = source("gibbs.cpp")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return sweep_library(build(text, "gibbs"))


def portable() -> ctypes.CDLL:
    """As on a machine without AVX-512."""
    return built(dict.fromkeys(("__AVX512F__", "__AVX512BW__", "__AVX512VBMI__"), "ABSENT"))


def make_sweeper(**options) -> Callable[[Factors], Sweeper]:
    return lambda factors: Sweeper(factors, **options)
