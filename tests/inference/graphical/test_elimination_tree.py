"""The C++ of the junction tree against its numpy twin, and broken on purpose."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.declare.network import Factor, Network
from probgen.errors import BuildError
from probgen.inference.graphical.elimination import most_probable, native_tree
from probgen.inference.graphical.elimination.most_probable import most_probable_with_numpy
from probgen.inference.graphical.elimination.native_tree import NativeTree
from probgen.inference.graphical.elimination.numpy_tree import NumpyTree
from probgen.inference.graphical.elimination.plan import plan_elimination
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.native.library import source
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, markov
from tests.inference.graphical.test_elimination_order import random_network


def large(cards: list[int], scopes: list[tuple[int, ...]], seed: int = 0) -> Factors:
    return condition(markov(cards, scopes, seed, "large"))


# Tables that are cut into blocks, with long and short, leading and trailing axes.
LARGE = {
    "binary": large([2] * 16, list(itertools.combinations(range(16), 2))),
    "long_axes": large([120, 3, 90, 7], [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)]),
    "odd": large([3, 5, 7, 2, 11, 13], list(itertools.combinations(range(6), 3))),
    "one_long": large([3000, 2, 2], [(0, 1), (0, 2), (1, 2)]),
    "ones_between": large([2, 1, 70, 1, 70, 1, 2], list(itertools.combinations(range(7), 2))),
    "permuted": large([9, 10, 11, 12], [(3, 1, 0, 2), (2, 0, 3), (1, 3), (0,)]),
}
RANDOM = {f"random{seed}": condition(random_network(seed)) for seed in range(20)}
ALL = {**LARGE, **RANDOM, **{name: condition(net) for name, net in AWKWARD.items()}}


def disagreement(factors: Factors, domain: str, count: int = 200) -> float:
    """The largest difference between native code and the twin in anything that they answer."""
    plan = plan_elimination(factors)
    offsets = state_offsets(factors.cards)
    try:
        native = NativeTree.calibrate(plan, factors, domain)
    except BuildError:
        pytest.skip("no compiler")
    twin = NumpyTree.calibrate(plan, factors)
    maximised = len(factors.free) // 2
    best, top = most_probable_with_numpy(plan, factors, maximised)
    states, found = most_probable._most_probable_natively(plan, factors, maximised)
    gaps = [
        abs(native.log_z - twin.log_z),
        np.abs(native.tables - twin.tables).max(initial=0),
        np.abs(native.marginals(offsets) - twin.marginals(offsets)).max(initial=0),
        np.abs(native.factor_marginals() - twin.factor_marginals()).max(initial=0),
        (native.draw(5, count, 99) != twin.draw(5, count, 99)).sum() / count,
        abs(top - found),
        np.abs(states - best).max(initial=0),
    ]
    return float(np.max(gaps))


@pytest.mark.parametrize("domain", ["linear", "log"])
@pytest.mark.parametrize("name", ALL)
def test_native_code_agrees_with_the_twin(name, domain):
    assert disagreement(ALL[name], domain) < 1e-10


@pytest.mark.parametrize("seed", range(8))
def test_extreme_tables_agree_with_the_twin(seed):
    """Random potentials of hundreds of nats and many zeros; precision lost must be noticed."""
    rng = np.random.default_rng(seed)
    network = random_network(seed)
    factors = []
    for f in network.factors:
        table = f.log_table * rng.choice([1.0, 50.0, 400.0])
        factors.append(Factor(f.scope, np.where(rng.random(table.shape) < 0.1, -np.inf, table)))
    conditioned = condition(Network(network.names, network.states, tuple(factors)))
    plan = plan_elimination(conditioned)
    twin = NumpyTree.calibrate(plan, conditioned)
    native = NativeTree.calibrate(plan, conditioned)
    assert native.log_z == pytest.approx(twin.log_z, rel=1e-12)
    if twin.log_z > -np.inf:
        np.testing.assert_allclose(native.tables, twin.tables, atol=1e-9)


# Broken on purpose -------------------------------------------------------------------------------

MUTATIONS = {
    "a message is not divided out on the way back": (
        "sent[i] > 0 ? arrived[i] / sent[i] * scale : 0",
        "sent[i] > 0 ? arrived[i] * scale : 0",
    ),
    "blocks start where the first one does": ("int64_t at = 0;\n", "return 0; int64_t at = 0;\n"),
    "a step of jumps stands still": ("from[jumps[i]]", "from[jumps[0]]"),
    "the first factor is forgotten": ("if (i == 0)\n", "if (i <= 1)\n"),
    "jumps lose the outermost axis": (
        "offsets[i * size + j] = offsets[j] + (int32_t)(i * stride);",
        "offsets[i * size + j] = offsets[j];",
    ),
    "scales are not added up": ("log_z += log_scales_[k];", "log_z = log_scales_[k];"),
    "running sums are searched from the wrong side": (
        "std::upper_bound(sums.begin(), sums.end(), target)",
        "std::lower_bound(sums.begin() + 1, sums.end(), target)",
    ),
    "rows of draws ignore the separator": (
        "rows_[i] = rows_[i] * plan_.cards[v] + state[i];",
        "rows_[i] = 0;",
    ),
    "marginals of the wrong half": (
        "split(across.data(), columns, axes + left",
        "split(table, columns, axes + left",
    ),
    "sums where maxima belong": (
        "for (int64_t i = 0; i < length; ++i) top = table[i] > top ? table[i] : top;",
        "for (int64_t i = 0; i < length; ++i) top = i == 0 ? table[i] : top + table[i];",
    ),
}


FEW = ("a message is not divided out on the way back", "the first factor is forgotten")
LISTED = [pytest.param(name, marks=[] if name in FEW else pytest.mark.slow) for name in MUTATIONS]


@pytest.mark.parametrize("name", LISTED)
def test_mutations_are_noticed(name, monkeypatch):
    old, new = MUTATIONS[name]
    text = source("junction_tree.cpp")
    assert text.count(old) == 1
    try:
        library = build(text.replace(old, new), "junction_mutant", "cautious")
    except BuildError:
        pytest.skip("no compiler")
    for module in (native_tree, most_probable):
        monkeypatch.setattr(module, "open_library", lambda entry: library)
    with np.errstate(invalid="ignore"):
        worst = [disagreement(ALL[case], "linear") for case in ("binary", "cards", "star")]
        worst += [disagreement(LARGE[case], "linear") for case in ("odd", "one_long")]
    assert not max(worst) < 1e-6


def test_lost_precision_must_be_noticed(monkeypatch):
    """Without the look at the processor's flags, a faint chain comes out impossible."""
    text = source("junction_tree.cpp")
    old = "if (LOSSY && underflowed()) return PRECISION_LOST;"
    assert text.count(old) == 1
    library = build(text.replace(old, ""), "junction_mutant", "cautious")
    monkeypatch.setattr(native_tree, "open_library", lambda entry: library)
    with np.errstate(divide="ignore"):
        link = np.log(np.array([[1.0, 0.0], [0.0, 1e-300]]))
        end = np.log(np.array([0.0, 1.0]))
    links = tuple(Factor((v, v + 1), link) for v in range(7))
    factors = condition(Network(tuple(range(8)), ((0, 1),) * 8, (*links, Factor((7,), end))))
    assert NativeTree.calibrate(plan_elimination(factors), factors).log_z == -np.inf
