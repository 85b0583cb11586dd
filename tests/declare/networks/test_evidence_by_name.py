"""Evidence by name: variables and states as names and as texts, soft evidence, errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from probgen.declare.network import Network
from probgen.declare.networks.evidence import resolve_evidence
from probgen.errors import DataError, EvidenceError

NETWORK = Network(
    names=("HRBP", "CVP", ("A", 0), ("A", 1), 3, 0, "", "A[0]", ()),
    states=(
        ("LOW", "NORMAL", "HIGH"),
        ("low", "high"),
        (0, 1),
        ("True", "False"),
        (1, "1", "one"),
        (True, False),
        ("only",),
        ("x", "y"),
        ((0, 1), (1, 0)),
    ),
    factors=(),
    title="demo",
)
PLAIN = Network(("HRBP", ("B", 1), 7), (("LOW", "HIGH"), (0, 1), ("None", "2.5")), (), "plain")


def hard(data, network: Network = NETWORK) -> dict[int, int]:
    return resolve_evidence(network, data)[0]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"HRBP": "HIGH", "CVP": "low"}, {0: 2, 1: 0}),
        ({("A", 0): 1, ("A", 1): True}, {2: 1, 3: 0}),
        ({"A[1]": "False"}, {3: 1}),
        ({"('A', 0)": "1"}, {2: 1}),
        ({3: 1}, {4: 0}),
        ({"3": "1"}, {4: 1}),
        ({3: "one"}, {4: 2}),
        ({0: True}, {5: 0}),
        ({"0": "False"}, {5: 1}),
        ({"": "only"}, {6: 0}),
        ({"A[0]": "y"}, {7: 1}),  # an exact name goes before a text
        ({(): (1, 0)}, {8: 1}),
        ({"()": "(0, 1)"}, {8: 0}),
        ({("A", 0): np.int64(1)}, {2: 1}),
        ({("A", 0): np.array(1)}, {2: 1}),
        ({("A", 0): torch.tensor(1)}, {2: 1}),
        ({("A", 0): 1.0}, {2: 1}),
        ({("A", 0): "0"}, {2: 0}),
        ({"HRBP": np.str_("LOW")}, {0: 0}),
        ({("A", 1): np.bool_(False)}, {3: 1}),
        ({}, {}),
        (None, {}),
    ],
)
def test_variables_and_states_by_name_or_text(data, expected) -> None:
    assert resolve_evidence(NETWORK, data) == (expected, {})


def test_texts_of_odd_states() -> None:
    assert hard({"7": None}, PLAIN) == {2: 0}
    assert hard({7: 2.5}, PLAIN) == {2: 1}
    yes = Network(("t",), (("true", "false"),), ())
    assert hard({"t": True}, yes) == {0: 0}


@pytest.mark.parametrize(
    ("likelihood", "expected"),
    [
        ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]),
        (np.array([2, 0, 1]), [2, 0, 1]),
        (torch.tensor([0.5, 0.25, 0.25]), [0.5, 0.25, 0.25]),
        ((1, 1, 0), [1, 1, 0]),
        ({"HIGH": 3, "LOW": 1, "NORMAL": 2}, [1, 2, 3]),
    ],
)
def test_soft_evidence(likelihood, expected) -> None:
    observed, soft = resolve_evidence(NETWORK, {"HRBP": likelihood, "CVP": "high"})
    assert observed == {1: 1}
    assert soft[0].dtype == np.float64
    np.testing.assert_allclose(soft[0], expected)


def test_soft_evidence_twice_multiplies() -> None:
    _, soft = resolve_evidence(PLAIN, {("B", 1): [0.5, 1], "B[1]": [0.5, 0.1]})
    np.testing.assert_allclose(soft[1], [0.25, 0.1])


def test_row_of_a_table() -> None:
    table = pd.DataFrame({"HRBP": ["HIGH", "LOW"], "CVP": ["low", np.nan], 3: [1, 1]})
    assert hard(table.iloc[0]) == {0: 2, 1: 0, 4: 0}
    assert hard(table.iloc[1]) == {0: 0, 4: 0}
    assert hard(table.iloc[:1]) == {0: 2, 1: 0, 4: 0}
    with pytest.raises(DataError, match=r"this one has 2: pass table.iloc"):
        hard(table)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"HRPB": "HIGH"}, r"'demo' has no variable 'HRPB'\. Did you mean 'HRBP'"),
        ({"hrbp": "HIGH"}, "no variable 'hrbp'. Did you mean 'HRBP'"),
        ({"zzzzzz": 1}, r"no variable 'zzzzzz'\. Its variables: HRBP, CVP"),
        ({"HRBP": "HIHG"}, "'HRBP' has no state 'HIHG'; its states are LOW, NORMAL, HIGH.*'HIGH'"),
        ({"HRBP": "high"}, "'HRBP' has no state 'high'.*Did you mean 'HIGH'"),
        ({("A", 0): 2}, r"\('A', 0\) has no state 2; its states are 0, 1"),
        ({"HRBP": float("nan")}, "'HRBP' has no state nan"),
        ({"HRBP": None}, "'HRBP' has no state None"),
        ({"HRBP": [0.5, 0.5]}, r"has shape \(2,\); it needs one likelihood for each of the 3"),
        ({"HRBP": [0.5, -0.5, 1]}, "not negative"),
        ({"HRBP": [0.5, np.nan, 1]}, "must be finite"),
        ({"HRBP": [0, 0, 0]}, "not all zero"),
        ({"HRBP": ["LOW", "HIGH", "x"]}, "must be numbers, one for each of the states LOW, NO"),
        ({"HRBP": [[1, 2], [3]]}, "must be numbers, one for each"),
        ({"HRBP": []}, r"has shape \(0,\)"),
        ({"HRBP": {"LOW": 1, "HIGH": 2}}, "one likelihood for each state; NORMAL has none"),
        ({"HRBP": {"LOW": 1, "HIGH": 2, "NOR": 1}}, "no state 'NOR'"),
        (["HRBP"], "must be a mapping of variables to their states, not list"),
    ],
)
def test_what_is_wrong_is_named(data, message) -> None:
    with pytest.raises(DataError, match=message):
        resolve_evidence(NETWORK, data)


def test_ambiguous_texts() -> None:
    twins = Network((1, "1", "01"), ((0, 1),) * 3, ())
    assert hard({"1": 0, 1: 1}, twins) == {1: 0, 0: 1}
    pairs = Network((("A", 0), ("A", "0")), (("x", "1"), ("y", 2)), ())
    with pytest.raises(DataError, match=r"'A\[0\]' may mean several variables of 'network'"):
        hard({"A[0]": "x"}, pairs)
    states = Network(("a",), ((2, "2.0", "2"),), ())
    assert hard({"a": 2.0}, states) == {0: 0}
    near = Network(("a",), (("2.0", "2"),), ())
    with pytest.raises(DataError, match=r"2.0 may mean several states of 'a': '2.0', '2'"):
        hard({"a": 2.0}, near)


def test_contradictions() -> None:
    assert hard({("B", 1): 1, "B[1]": "1"}, PLAIN) == {1: 1}
    with pytest.raises(EvidenceError, match=r"\('B', 1\) is given as both 1 and 0"):
        hard({("B", 1): 1, "B[1]": "0"}, PLAIN)
    with pytest.raises(EvidenceError, match="leaves it no possible state"):
        hard({("B", 1): 1, "B[1]": [1, 0]}, PLAIN)
    with pytest.raises(EvidenceError, match="leaves it no possible state"):
        hard({("B", 1): [0, 1], "B[1]": [1, 0]}, PLAIN)
