"""Awkward networks with evidence, and the exact answers that every engine is held to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.inference.infer_network import put_in_evidence
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, bayesian, brute_force, grid, markov

ZERO = -np.inf
MOST_JOINT_STATES = 100_000
"""Beyond it a network is taken for a star around variable 0."""


@dataclass(frozen=True)
class Answers:
    """log_z and the highest log joint in nats; marginals; joint tables of some pairs."""

    log_z: float
    highest: float
    marginals: list[np.ndarray]
    pairs: dict[tuple[int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """A network and evidence by name, as a user gives it."""

    network: Network
    kind: str
    data: dict[Any, Any]

    @cached_property
    def factors(self) -> Factors:
        return put_in_evidence(self.network, self.data)

    @cached_property
    def answers(self) -> Answers:
        return answers(self.factors)

    def __str__(self) -> str:
        return f"{self.network.title} ({self.kind})"


def answers(factors: Factors) -> Answers:
    """Exact answers by brute force, or given every state of a star's centre."""
    if not len(factors.cards):
        return Answers(factors.log_constant, factors.log_constant, [], {})
    if np.prod(factors.cards.astype(float)) > MOST_JOINT_STATES:
        return star_answers(factors)
    truth = brute_force(factors)
    n = len(factors.cards)
    pairs = {
        (a, b): truth.joint.sum(axis=tuple(v for v in range(n) if v not in (a, b)))
        for a, b in itertools.combinations(range(n), 2)
        if n <= 8 or b == a + 1
    }
    with np.errstate(divide="ignore"):
        highest = truth.log_z + float(np.log(truth.joint.max()))
    return Answers(truth.log_z, highest, truth.marginals, pairs)


def star_answers(factors: Factors) -> Answers:
    """All variables but number 0 are independent given it: no factor holds two others."""
    cards = [int(card) for card in factors.cards]
    centre = np.full(cards[0], factors.log_constant)
    rays = [np.zeros((cards[0], card)) for card in cards]
    for scope, table in zip(factors.scopes, factors.log_tables, strict=True):
        others = [v for v in scope if v]
        assert len(others) <= 1
        if not others:
            centre = centre + table
        elif len(scope) == 1:
            rays[others[0]] = rays[others[0]] + table
        else:
            rays[others[0]] = rays[others[0]] + (table if scope[0] == 0 else table.T)
    sums = [np.logaddexp.reduce(ray, axis=1) for ray in rays]
    logs = centre + sum(sums[1:])
    log_z = float(np.logaddexp.reduce(logs))
    own = np.exp(logs - log_z)
    pairs = {
        (0, v): own[:, None] * np.exp(rays[v] - sums[v][:, None]) for v in range(1, len(cards))
    }
    highest = float((centre + sum(ray.max(axis=1) for ray in rays[1:])).max())
    marginals = [own, *(table.sum(axis=0) for table in pairs.values())]
    return Answers(log_z, highest, marginals, pairs)


def named(cards: list[int], *factors: tuple[tuple[int, ...], Any], title: str) -> Network:
    parts = tuple(Factor(scope, np.array(table, dtype=float)) for scope, table in factors)
    states = tuple(tuple(range(card)) for card in cards)
    return Network(tuple(f"v{k}" for k in range(len(cards))), states, parts, title)


def hub(leaves: int, states: int, title: str, drop: float = 0.0) -> Network:
    """A variable that many binary neighbours pull about; each lowers its last state by `drop`."""
    pulls = np.random.default_rng(31).normal(0, 0.25, (leaves, states, 2))
    pulls[:, -1] -= drop
    rays = (((0, k + 1), p) if k % 2 else ((k + 1, 0), p.T) for k, p in enumerate(pulls))
    return named([states] + [2] * leaves, *rays, title=title)


def mountains() -> Network:
    """Potentials of 500 nats either way that all but cancel, and some that do not."""
    big = np.array([[500.0, -500.0], [-499.0, 500.5]])
    return named(
        [2, 2, 2, 3],
        ((0, 1), big),
        ((1, 0), (-big + np.array([[0.3, -0.2], [0.1, 0.4]])).T),
        ((1, 2), [[0.5, 0.0], [0.0, 0.7]]),
        ((2, 3), [[500.0, 0.4, -500.0], [-500.0, 0.3, 500.0]]),
        ((3, 2), np.transpose([[-500.0, 0.0, 500.4], [500.5, 0.0, -500.0]])),
        ((3,), [500.0, -500.0, 500.0]),
        title="mountains",
    )


def odd_names() -> Network:
    """Names and states that are falsy, tuples or numbers; one label stands for two names."""
    source = markov([2, 3, 2, 2], [(0, 1), (1, 2), (2, 3), (3, 0)], 33, "odd_names")
    return Network(
        (0, "", ("a", 1), "a[1]"),
        ((False, True), ("", "x", None), ((0, 0), (0, 1)), (0, -1)),
        source.factors,
        source.title,
    )


def zero_heavy() -> Network:
    """The last variable stands only in a table that is mostly zeros."""
    rng = np.random.default_rng(34)
    table = np.where(rng.random((2, 3, 4)) < 0.75, ZERO, rng.normal(size=(2, 3, 4)))
    table[0, 1, 2], table[1, 2, 2], table[1, 0, 3] = 0.3, -0.4, 0.1
    return named([2, 3, 4], ((0, 1, 2), table), ((0, 1), rng.normal(size=(2, 3))),
                 title="zero_heavy")  # fmt: skip


def twins() -> Network:
    """Two variables that are always equal, and their neighbours."""
    same = np.where(np.eye(3) > 0, 0.0, ZERO)
    rng = np.random.default_rng(35)
    return named([3, 3, 2, 2], ((0, 1), same), ((0, 2), rng.normal(size=(3, 2))),
                 ((1, 3), rng.normal(size=(3, 2))), ((2, 3), rng.normal(size=(2, 2))),
                 title="twins")  # fmt: skip


def forced() -> Network:
    """Zeros leave one state to the first two variables; the others are free."""
    return named([3, 2, 2], ((0,), [ZERO, 0.7, ZERO]), ((0, 1), [[0, 0], [ZERO, 1.0], [0, 0]]),
                 ((1, 2), [[0.3, 0.1], [-0.5, 0.6]]), title="forced")  # fmt: skip


def potts() -> Network:
    """Three equal spins of three states in a field: clusters of unequal rewards."""
    reward = np.diag([0.2, 0.9, 0.5])
    return named([3] * 4, *(((a, b), reward) for a, b in ((0, 1), (1, 2), (0, 2), (2, 3))),
                 ((0,), [0.4, 0.0, -0.5]), title="potts")  # fmt: skip


def three_way(seed: int) -> Network:
    """The same three variables again and again, in other orders."""
    scopes = [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1), (1, 2), (3, 0), (0, 3)]
    return markov([2, 3, 4, 2], scopes, seed, "permuted")


def flat() -> Network:
    """A factor of equal entries ties nothing together, but counts in log Z."""
    source = markov([2, 3, 2], [(0, 1), (1, 2), (0, 2)], 36, "flat")
    level = Factor((0, 2), np.full((2, 2), 3.7))
    return Network(source.names, source.states, (*source.factors[:2], level), "flat")


NETWORKS: dict[str, Network] = AWKWARD | {
    network.title: network
    for network in (
        three_way(32), flat(), mountains(), odd_names(), zero_heavy(), twins(), forced(),
        hub(40, 3, "hub"), hub(20, 2, "binary_hub"), hub(21, 3, "steep_hub", drop=60.0),
        markov([300, 2, 3], [(0, 1), (2, 0), (1, 2)], 37, "many_states"),
        grid(3, 3, 0.6, 0.3, None), potts(),
        bayesian([2, 2, 3, 2, 2], [(), (0,), (0, 1), (), (2, 3)], 38, "functions", (1, 2)),
        bayesian([4, 4, 4, 4, 2], [(), (0,), (1,), (2,), (1,)], 39, "long_copies", (1, 2, 3)),
        named([], title="nothing"),
    )
}  # fmt: skip

FORESTS = (
    "chain", "disconnected", "isolated", "unary", "no_factor", "single", "one_state", "star",
    "hub", "binary_hub", "steep_hub", "forced", "zero_heavy", "nothing", "high_order",
)  # fmt: skip
"""Their factor graphs are forests (a scope within another one counts as part of it)."""


@cache
def cases(name: str) -> tuple[Case, ...]:
    """A network as it is, with a variable observed, with a likelihood, and with both."""
    return tuple(_cases(NETWORKS[name]))


def _cases(network: Network) -> Iterator[Case]:
    yield Case(network, "no evidence", {})
    n = len(network.names)
    if not n:
        return
    rng = np.random.default_rng(len(network.title))
    whole = answers(condition(network))
    middle = n // 2
    state = int(rng.choice(network.cards[middle], p=whole.marginals[middle]))
    told = {network.names[middle]: network.states[middle][state]}
    yield Case(network, "observed", told)
    last = n - 1
    weights = rng.uniform(0.1, 1.0, network.cards[last])
    if len(weights) > 2:
        weights[int(np.argmin(whole.marginals[last]))] = 0.0
    likelihood = {network.names[last]: weights.tolist()}
    yield Case(network, "likelihood", likelihood)
    if last != middle:
        yield Case(network, "both", told | likelihood)


def everything_observed(network: Network) -> Case:
    """Evidence on all variables, at a state of positive probability."""
    if not network.names:
        return Case(network, "everything observed", {})
    joint = brute_force(condition(network)).joint
    best = np.unravel_index(int(joint.argmax()), joint.shape)
    told = {network.names[v]: network.states[v][s] for v, s in enumerate(best)}
    return Case(network, "everything observed", told)
