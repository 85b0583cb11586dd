"""The networks that are measured, with their evidence; made the same way in every process."""

from __future__ import annotations

import itertools

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.bundled import load_bundled
from probgen.declare.networks.uai import read_uai, read_uai_evidence
from probgen.targets.factors import Factors, condition
from tests.reference_data import find_reference_data

ISING = ("ising32", "ising128")
BAYESIAN = ("alarm", "hepar2", "win95pts", "andes", "hailfinder", "insurance", "link", "pigs")
RANDOM = ("random200", "random200_k5")
UAI = (
    "Grids_15",
    "Promedus_11",
    "DBN_11",
    "Segmentation_11",
    "ObjectDetection_34",
    "Alchemy_11",
    "CSP_13",
)


def load(name: str) -> Factors:
    """A workload by name: its network with the evidence put in.

    Bayesian networks have all their leaves observed in a state drawn forward (seed 3), since
    JAGS leaves out variables without observed descendants. Raises `FileNotFoundError` when the
    UAI instance is not there.
    """
    if name.startswith("ising"):
        return condition(torus(int(name.removeprefix("ising"))))
    if name == "random200":
        return condition(random_network(200, [2, 3, 4, 5]))
    if name == "random200_k5":
        return condition(random_network(200, [5]))
    if name in UAI:
        path = find_reference_data("uai", f"{name}.uai")
        if path is None:
            raise FileNotFoundError(f"{name}.uai (set PROBGEN_DATA)")
        evidence = path.with_name(f"{name}.uai.evid")
        return condition(read_uai(path), read_uai_evidence(evidence) if evidence.exists() else {})
    network = load_bundled(name)
    return condition(network, observed_leaves(network))


def torus(side: int, coupling: float = 1 / 2.3, field: float = 0.05 / 2.3) -> Network:
    """The Ising model on a periodic square lattice, near its critical temperature."""
    n = side * side
    couple = np.array([[coupling, -coupling], [-coupling, coupling]])
    magnet = np.array([-field, field])
    factors = [Factor((v,), magnet) for v in range(n)]
    for r, c in itertools.product(range(side), range(side)):
        for other in (((r + 1) % side) * side + c, r * side + (c + 1) % side):
            factors.append(Factor((r * side + c, other), couple))
    return Network(tuple(range(n)), ((-1, 1),) * n, tuple(factors), f"ising{side}")


def random_network(variables: int, cards: list[int], seed: int = 0) -> Network:
    """Unary factors on all variables, and 1.5 random factors per variable over 2 or 3 of them."""
    rng = np.random.default_rng(seed)
    card = rng.choice(cards, variables)
    scopes = [(v,) for v in range(variables)]
    for k in range(3 * variables // 2):
        picked = rng.choice(variables, 2 + k % 2, replace=False)
        scopes.append(tuple(int(v) for v in picked))
    factors = tuple(Factor(s, rng.normal(0, 1, [card[v] for v in s])) for s in scopes)
    states = tuple(tuple(range(int(k))) for k in card)
    return Network(tuple(range(variables)), states, factors, "random")


def observed_leaves(network: Network) -> dict[int, int]:
    """Evidence on every variable without children, drawn forward together."""
    rng = np.random.default_rng(3)
    table = {f.child: f for f in network.factors}
    parents = {v: [u for u in f.scope if u != v] for v, f in table.items()}
    drawn: dict[int, int] = {}
    while len(drawn) < len(network.names):
        for v in range(len(network.names)):
            if v in drawn or any(u not in drawn for u in parents[v]):
                continue
            index = tuple(slice(None) if u == v else drawn[u] for u in table[v].scope)
            weights = np.exp(table[v].log_table[index])
            drawn[v] = int(rng.choice(len(weights), p=weights / weights.sum()))
    inner = {u for given in parents.values() for u in given}
    return {v: state for v, state in drawn.items() if v not in inner}
