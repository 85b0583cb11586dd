"""Tables with named states to one network: order of states, checks, messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probgen.declare.networks.acyclic import check_acyclic
from probgen.declare.networks.named_tables import NamedTable, agreed_states, assemble
from probgen.declare.networks.origin import Origin
from probgen.errors import DataError, ModelError

YES_NO = ("yes", "no")
STATES = {"a": YES_NO, "b": ("lo", "mid", "hi")}


def conditional(values, states=(YES_NO, STATES["b"]), scope=("a", "b"), axis=0, place=None):
    return NamedTable(scope, states, np.array(values, dtype=float), axis, place)


def test_tables_become_logs_with_children() -> None:
    table = conditional([[0.1, 0.5, 1.0], [0.9, 0.5, 0.0]])
    network = assemble("t", STATES, [table, NamedTable(("b",), (STATES["b"],), np.ones(3))])
    assert network.names == ("a", "b")
    assert [factor.child for factor in network.factors] == [0, None]
    assert network.kind == "markov"
    np.testing.assert_allclose(np.exp(network.factors[0].log_table), table.values, rtol=1e-15)
    assert network.factors[0].log_table[1, 2] == -np.inf


def test_states_are_matched_by_name() -> None:
    table = conditional([[0.1, 0.5, 1.0], [0.9, 0.5, 0.0]], (("no", "yes"), ("hi", "lo", "mid")))
    network = assemble("t", STATES, [table])
    wanted = [[0.5, 0.0, 0.9], [0.5, 1.0, 0.1]]
    np.testing.assert_allclose(np.exp(network.factors[0].log_table), wanted, rtol=1e-15)


def test_own_table_decides_the_order_and_names_go_before_numbers() -> None:
    parent = NamedTable(("a",), (("no", "yes"),), np.ones(2), 0)
    child = NamedTable(("b", "a"), ((0, 1), YES_NO), np.ones((2, 2)), 0)
    named = NamedTable(("b",), (("off", "on"),), np.ones(2))
    assert agreed_states(["a", "b"], [child, named, parent]) == {
        "a": ("no", "yes"),
        "b": ("off", "on"),
    }


@pytest.mark.parametrize("names", [("off", "on"), (True, False), (5, 3)])
def test_numbered_states_stand_in_the_order_of_named_ones(names) -> None:
    plain = NamedTable(("b",), ((0, 1),), np.array([1.0, 3.0]))
    if names == (5, 3):
        with pytest.raises(ModelError, match=r"states of 'b' are \(5, 3\)"):
            assemble("t", {"b": names}, [plain])
        return
    table = assemble("t", {"b": names}, [plain]).factors[0].log_table
    np.testing.assert_allclose(np.exp(table), [1, 3], rtol=1e-15)


def test_permuted_numbers_are_names() -> None:
    plain = NamedTable(("b",), ((0, 1),), np.array([1.0, 3.0]))
    table = assemble("t", {"b": (1, 0)}, [plain]).factors[0].log_table
    np.testing.assert_allclose(np.exp(table), [3, 1], rtol=1e-15)


def test_rounded_columns_are_normalised() -> None:
    network = assemble("t", STATES, [conditional([[0.333, 0.5, 1.0], [0.666, 0.5, 0.0]])])
    sums = np.exp(network.factors[0].log_table).sum(axis=0)
    np.testing.assert_allclose(sums, 1, rtol=1e-14)


def test_axis_of_the_child_may_be_any() -> None:
    table = NamedTable(("b", "a"), (STATES["b"], YES_NO), np.full((3, 2), 0.5), 1)
    assert assemble("t", STATES, [table]).factors[0].child == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (conditional([[0.1, 0.5, 1], [0.9, 0.7, 0]]), r"P\(a \| b\) given b=mid sums to 1.2, not"),
        (conditional([[0.1, 0.5, 0], [0.9, 0.5, 0]]), "b=hi sums to 0, not 1"),
        (conditional([[-0.1, 0.5, 1], [1.1, 0.5, 0]]), "entry -0.1 at a=yes, b=lo"),
        (conditional([[0.1, 0.5, 1], [0.9, np.nan, 0]]), "entry nan at a=no, b=mid"),
        (conditional([[0, 0, 0], [0, 0, 0]], axis=None), "over \\(a, b\\) is zero everywhere"),
        (conditional([[1, np.inf, 1], [1, 1, 1]], axis=None), "entry inf at a=yes, b=mid"),
        (conditional(np.ones((2, 3)), scope=("a", "z")), "'z', which is no variable"),
        (conditional(np.ones((2, 2)), (YES_NO, ("lo", "hi"))), r"'b' has 3 states .* but 2 in"),
        (conditional(np.ones((2, 2))), "names 3 states of 'b' but has 2 entries"),
        (
            conditional(np.full((2, 3), 0.5), (("y", "n"), STATES["b"])),
            r"states of 'a' are \('yes', 'no'\), but P\(a \| b\) has \('y', 'n'\)",
        ),
    ],
)
def test_bad_tables_are_named(table, message) -> None:
    with pytest.raises(ModelError, match=message):
        assemble("t", STATES, [table])


def test_tables_of_a_file_tell_file_and_line() -> None:
    table = conditional([[2, 0.5, 1], [0.9, 0.5, 0]], place=70)
    origin = Origin(Path("net.bif"), lambda place: place // 10)
    with pytest.raises(DataError, match=r"^net.bif, line 7: P\(a \| b\) given b=lo sums to 2.9"):
        assemble("t", STATES, [table], (), origin)


def test_variable_without_a_table() -> None:
    with pytest.raises(ModelError, match=r"'b' is in no table.*add a factor of ones"):
        agreed_states(["a", "b"], [NamedTable(("a",), (YES_NO,), np.ones(2))])


def test_cycles_are_named() -> None:
    check_acyclic({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["c", "a"]})
    with pytest.raises(
        ModelError, match=r"cycle: (b -> c -> d -> b|c -> d -> b -> c|d -> b -> c)"
    ):
        check_acyclic({"a": [], "b": ["a", "d"], "c": ["b"], "d": ["c"]})
    with pytest.raises(ModelError, match="cycle: a -> a"):
        check_acyclic({"a": ["a"]})


def test_long_chains_do_not_exhaust_the_stack() -> None:
    check_acyclic({k: [k - 1] if k else [] for k in reversed(range(20_000))})
