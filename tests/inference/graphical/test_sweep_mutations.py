"""Kernels broken on purpose fail the checks that the true ones pass."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from probgen.inference.graphical.sweeps.sweeper import Sweeper
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import POSITIVE
from tests.inference.graphical.sweep_checks import (
    built,
    check_marginals,
    hub,
    make_sweeper,
    random_states,
    rare,
    steep,
    uniform_grid,
    z_scores,
)

NETWORKS = [
    *(POSITIVE[name] for name in ("loop", "star", "complete", "cards", "grid", "high_order")),
    hub(9, 0.3), uniform_grid(3, 3), steep(),
]  # fmt: skip


def check(library: ctypes.CDLL) -> None:
    """All that a broken kernel could get wrong, quickly."""
    for options in ({}, {"merge": 1}):
        check_marginals(make_sweeper(library=library, **options), NETWORKS)
    factors = condition(rare())
    sweeper = Sweeper(factors, library=library)
    assert np.abs(z_scores(factors, sweeper, chains=2048, sweeps=6000)).max() < 5
    for network in NETWORKS:
        check_cuts(Sweeper(condition(network), library=library))


def check_cuts(sweeper: Sweeper) -> None:
    """One call of 300 sweeps, and two of some of its chains."""
    start = random_states(sweeper.factors, 80)
    whole = start.copy()
    counts = np.zeros((int(sweeper.offsets[-1]), 80), dtype=np.uint32)
    sweeper.sweep(whole, 1, 0, 300, counts=counts)
    assert (counts.sum(axis=0) == 300 * len(start)).all()
    for begin, end in ((62, 65), (50, 80)):
        part = np.ascontiguousarray(start[:, begin:end])
        some = np.zeros((len(counts), end - begin), dtype=np.uint32)
        sweeper.sweep(part, 1, 0, 100, first_chain=begin, counts=some)
        sweeper.sweep(part, 1, 100, 200, first_chain=begin, counts=some)
        np.testing.assert_array_equal(part, whole[:, begin:end])
        np.testing.assert_array_equal(some, counts[:, begin:end])


MUTATIONS = {
    "ties with a threshold are not looked into": ("while (tied) {", "while (false) {"),
    "a factor is left out": (
        "group.pieces.push_back(p);",
        "if (p != 1) group.pieces.push_back(p);",
    ),
    "the axes of a merged table are exchanged": (
        "stride *= atom.states;",
        "stride *= network_.cards[0];",
    ),
    "weights are not accumulated": (
        "total = weights[4 * k + q] = total + weights[4 * k + q];",
        "total = total + weights[4 * k + q];",
    ),
    "odds are taken for a probability": ("odds[q] * (1.0f - u) > u", "odds[q] > u"),
    "all strips of chains share their numbers": (
        "(origin_ + column) / STRIP * WORDS_PER_STRIP",
        "0",
    ),
    "a call begins with sweep 0 again": ("sweep(task_.first_sweep + s)", "sweep(s)"),
    "log weights are not accumulated": (
        "logs[k * step] = total += exponential(logs[k * step] - top)",
        "total += logs[k * step] = exponential(logs[k * step] - top)",
    ),
    "counts of more than 255 sweeps": ("++counted_ == 255", "++counted_ == 257"),
    "lumped neighbours count twice": (
        "(ones ? ones * one : 0.0)",
        "(ones ? 2 * ones * one : 0.0)",
    ),
    "single chains take another lane's numbers": (
        "lane_ = (int)(chain_ % STRIP);",
        "lane_ = (int)((chain_ + 1) % STRIP);",
    ),
}


def test_the_kernels_pass() -> None:
    check(built({}))


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_kernel_is_noticed(name: str) -> None:
    library = built(dict([MUTATIONS[name]]))
    with pytest.raises(AssertionError):
        check(library)


def test_a_kernel_without_one_factor_is_noticed() -> None:
    test_a_broken_kernel_is_noticed("a factor is left out")
