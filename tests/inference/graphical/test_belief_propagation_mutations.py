"""Belief propagation broken on purpose is noticed by the checks against brute force."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.declare.network import Factor, Network
from probgen.inference.graphical.messages.convergence import PassingSettings, pass_messages
from probgen.inference.graphical.messages.graph import message_graph
from probgen.inference.graphical.messages.native_engine import open_messages
from probgen.inference.graphical.native.library import source
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, brute_force, markov


def rescued() -> Network:
    """Two tables make a state e^800 times rarer, a third makes it e^800 times likelier."""
    rare = np.array([[0.0, 0.0], [-400.0, -400.0]])
    factors = (Factor((0, 1), rare), Factor((0, 2), rare), Factor((0, 3), -2 * rare))
    return Network(tuple(range(4)), ((0, 1),) * 4, factors, "rescued")


def check_sum(factors: Factors, library) -> None:
    """Marginals and log Z of a forest, native, against brute force."""
    truth = brute_force(factors)
    graph, engine = message_graph(factors), open_messages(library)
    messages = graph.uniform_messages()
    convergence = pass_messages(engine, graph, messages, PassingSettings(iterations=200))
    beliefs, tables, log_z = engine.beliefs(graph, messages, with_factors=True)
    assert convergence.converged
    np.testing.assert_allclose(beliefs, np.concatenate(truth.marginals), atol=1e-9)
    assert abs(log_z - truth.log_z) < 1e-9 * max(1, abs(truth.log_z))
    for f, scope in enumerate(graph.factors.scopes):
        away = tuple(a for a in range(truth.joint.ndim) if a not in scope)
        joint = truth.joint.sum(axis=away).transpose(np.argsort(np.argsort(scope)))
        part = tables[graph.table_offsets[f] : graph.table_offsets[f + 1]]
        np.testing.assert_allclose(part.reshape(joint.shape), joint, atol=1e-9)


def check_max(factors: Factors, library) -> None:
    """The decoded configuration of a forest is a mode, before any local improvement."""
    truth = brute_force(factors)
    graph, engine = message_graph(factors), open_messages(library)
    messages = graph.uniform_messages()
    pass_messages(engine, graph, messages, PassingSettings(maximum=True, iterations=200))
    states = engine.decode(graph, messages).astype(int)
    best = np.log(truth.joint.max()) + truth.log_z
    assert float(factors.log_joint(states)) == pytest.approx(best, abs=1e-9)


@dataclass(frozen=True)
class Mutation:
    """One expression of the source replaced, the check and the networks that notice."""

    name: str
    old: str
    new: str
    network: Network
    maximum: bool = False


HIGH_ORDER_TREE = markov(
    [2, 3, 4, 2, 3, 2, 2], [(0, 1, 2), (2, 3, 4), (1, 5), (6, 0)], 17, "high_order_tree"
)
# The likelier state of the first variable is not that of the most probable pair.
SPLIT = Network((0, 1), ((0, 1),) * 2, (Factor((0, 1), np.log([[0.4, 0.1], [0.3, 0.3]])),))
TIED = Network(
    (0, 1, 2, 3),
    ((0, 1),) * 4,
    tuple(Factor((v, v + 1), np.array([[0.0, 1.0], [1.0, 0.0]])) for v in range(3)),
)
DEFAULT = (
    Mutation(
        "the message back is not taken out",
        "finite[at + x] - own[x];",
        "finite[at + x];",
        AWKWARD["chain"],
    ),
    Mutation(
        "edges are not counted in the Bethe free energy",
        "total -= normalise_exp(joint.data(), worker.dims[j]);",
        "",
        AWKWARD["bayesian"],
    ),
)
OTHERS = (
    Mutation(
        "results that underflow are trusted",
        "if (exact) {\n            for",
        "if (true) {\n            for",
        rescued(),
    ),
    Mutation(
        "only messages of the first axis are multiplied out",
        "Ring::times(left, in[j][x]);",
        "Ring::times(left, in[0][x]);",
        HIGH_ORDER_TREE,
    ),
    Mutation(
        "the last axis is contracted without its message",
        "Ring::times(source[p * d + x], in[j][x])",
        "source[p * d + x]",
        AWKWARD["chain"],
    ),
    Mutation(
        "max-product sums",
        "if (maximum) run<message::LinearMax>",
        "if (maximum) run<message::LinearSum>",
        SPLIT,
        maximum=True,
    ),
    Mutation(
        "ties are broken independently",
        "worker.fix(f, states);",
        "",
        TIED,
        maximum=True,
    ),
    Mutation(
        "factor beliefs without the message of the last variable",
        "log_table[p * d + x] + prefix[p] + last[x]",
        "log_table[p * d + x] + prefix[p]",
        AWKWARD["chain"],
    ),
)


def check_noticed(mutation: Mutation) -> None:
    text = source("belief_propagation.cpp")
    assert text.count(mutation.old) == 1, "the mutation no longer fits the source"
    check = check_max if mutation.maximum else check_sum
    factors = condition(mutation.network)
    check(factors, build(text, "belief_propagation"))
    broken = build(text.replace(mutation.old, mutation.new), "belief_propagation")
    with pytest.raises(AssertionError):
        check(factors, broken)


@pytest.mark.parametrize("mutation", DEFAULT, ids=lambda mutation: mutation.name)
def test_mutation_is_noticed(mutation):
    check_noticed(mutation)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", OTHERS, ids=lambda mutation: mutation.name)
def test_other_mutation_is_noticed(mutation):
    check_noticed(mutation)
