"""Memory that is used again, estimated and refused; long calls that hear Ctrl-C."""

from __future__ import annotations

import ctypes
import gc
import signal
import time

import numpy as np
import pytest

from probgen.inference.graphical.elimination import (
    memory,
    most_probable,
    native_tree,
    spare,
    stoppable,
)
from probgen.inference.graphical.elimination.memory import cost_of, readable
from probgen.inference.graphical.elimination.plan import plan_elimination
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.inference.graphical.method import state_offsets
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, grid


def test_tables_are_taken_again_and_answers_stay():
    spare._kept.clear()
    factors = condition(grid(12, 30, 0.5, 0.3))
    tree = calibrate(factors)
    assert tree.plan.entries >= spare.WORTH
    clique = tree.plan.cliques[0].tolist()
    first, marginals = tree.clique(clique), tree.marginals().probabilities.copy()
    kept = first.copy()
    del tree
    gc.collect()
    again = calibrate(factors)
    np.testing.assert_array_equal(again.marginals().probabilities, marginals)
    other = calibrate(condition(grid(12, 30, -0.5, 0.1, seed=4)))
    del again
    gc.collect()
    np.testing.assert_array_equal(first, kept)
    assert abs(other.marginals().probabilities - marginals).max() > 1e-3


def test_two_trees_at_once_do_not_share_tables():
    factors = condition(grid(12, 30, 0.5, 0.3))
    trees = [calibrate(factors) for _ in range(3)]
    assert len({tree.tree.tables.ctypes.data for tree in trees}) == 3


def test_only_worthwhile_memory_is_kept():
    spare._kept.clear()
    spare.give_back(np.empty(10))
    spare.give_back(np.empty(spare.MOST + 1))
    assert not spare._kept
    spare.give_back(np.empty(spare.WORTH))
    assert spare.take(spare.WORTH + 1).size == spare.WORTH + 1
    assert spare.take(spare.WORTH).size == spare.WORTH
    assert not spare._kept


def test_cost_counts_what_is_allocated():
    factors = condition(AWKWARD["chain"])
    cost = cost_of(factors)
    tree = calibrate(factors)
    separators = int(tree.plan.separator_offsets[-1])
    assert cost.entries == tree.tree.tables.size == 2 * 3 + 3 * 4 + 4 * 2
    assert cost.bytes == 8 * (cost.entries + 2 * separators)
    assert cost.feasible
    assert not cost_of(factors, memory=1e-9).feasible


def test_limit_without_an_option(monkeypatch):
    monkeypatch.setattr(memory, "_available", lambda: 1e9)
    assert memory.limit_bytes(None) == 5e8
    monkeypatch.setattr(memory, "_available", lambda: 1e12)
    assert memory.limit_bytes(None) == 8 * 2.0**30
    assert memory.limit_bytes(3) == 3e9


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 bytes"), (3.2e9, "3.2 GB"), (1e30, "1e+12 EB")]
)
def test_readable_sizes(size, text):
    assert readable(size) == text


def test_interrupt_stops_a_long_call():
    """The call goes on until the flag is raised, and only an interrupt raises it."""
    seen = []

    def call(stop: int) -> int:
        flag = ctypes.c_int32.from_address(stop)
        while not flag.value:
            time.sleep(0.01)
        seen.append(flag.value)
        return 3

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            stoppable.run_stoppable(call, stoppable.QUICK + 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [1]


def test_a_call_keeps_its_memory_alive_when_nobody_waits_for_it(monkeypatch):
    """A second Ctrl-C abandons the call: what it writes to must outlive its caller."""
    held = []

    def abandoned(call, entries):
        held.append(call)
        raise KeyboardInterrupt

    factors = condition(AWKWARD["loop"])
    plan = plan_elimination(factors)
    tree = native_tree.NativeTree.calibrate(plan, factors)
    for module in (native_tree, most_probable):
        monkeypatch.setattr(module, "run_stoppable", abandoned)
    questions = (
        lambda: native_tree.NativeTree.calibrate(plan, factors),
        lambda: tree.marginals(state_offsets(factors.cards)),
        tree.factor_marginals,
        lambda: tree.draw(0, 10, 1),
        lambda: most_probable.most_probable(factors),
    )
    for question in questions:
        with pytest.raises(KeyboardInterrupt):
            question()
        reached = [cell.cell_contents for cell in held[-1].__closure__]
        arrays = [x for x in reached if isinstance(x, np.ndarray)]
        arrays += [x for part in reached if isinstance(part, tuple) for x in part]
        assert arrays
        assert not any(isinstance(x, ctypes.c_void_p) for x in arrays), "addresses, not arrays"


def test_errors_of_a_long_call_are_raised():
    def call(stop: int) -> int:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        stoppable.run_stoppable(call, stoppable.QUICK + 1)
    assert stoppable.run_stoppable(lambda stop: 7, stoppable.QUICK + 1) == 7
