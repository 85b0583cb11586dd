"""Names and labels of dimensions, carried from a tree to new groups; plates of constant data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from probgen.results.labels import constant_plates, labels_from
from probgen.results.tree import Labels, Variable, build_tree

TREE = build_tree(
    {
        "posterior": {"theta": Variable(np.zeros((2, 5, 3)), ("school",))},
        "observed_data": {"y": Variable(np.zeros((3, 2)), sampled=False)},
    },
    Labels({"y": ["school", "visit"]}, {"school": ["A", "B", "C"], "visit": [10, 20]}),
)
NEW = Variable(np.zeros((2, 5, 3, 2)))


def test_a_variable_is_called_as_in_the_tree():
    labels = labels_from(TREE, {"y": NEW})
    assert labels.of("y", NEW) == ("chain", "draw", "school", "visit")
    assert list(labels.coords["school"]) == ["A", "B", "C"]
    assert list(labels.coords["visit"]) == [10, 20]


def test_labels_of_another_length_are_not_carried():
    longer = Variable(np.zeros((2, 5, 4, 2)))
    labels = labels_from(TREE, {"y": longer})
    assert labels.of("y", longer)[2:] == ("school", "visit")
    assert "school" not in labels.coords
    assert "visit" in labels.coords


def test_names_and_labels_of_the_user_come_first():
    labels = labels_from(TREE, {"y": NEW}, {"y": ["person", "visit"]}, {"visit": ["a", "b"]})
    assert labels.of("y", NEW)[2:] == ("person", "visit")
    assert labels.coords["visit"] == ["a", "b"]
    assert labels_from(xr.DataTree(), {"y": NEW}).of("y", NEW)[2:] == ("y_dim_0", "y_dim_1")


@pytest.mark.parametrize(
    ("shape", "sites", "expected"),
    [
        ((8,), [{"school": 8}], ("school",)),
        ((8, 5), [{"school": 8}], ("school",)),
        ((3, 4), [{"row": 3, "column": 4}], ("row", "column")),
        ((4,), [{"row": 3, "column": 4}], ("column",)),
        ((7,), [{"row": 3, "column": 4}], ()),
        ((), [{"school": 8}], ()),
        ((1,), [{"school": 1}], ("school",)),
        ((5,), [{"school": 5}, {"city": 5}], ()),  # either might be meant
        ((5,), [], ()),
        ((5,), [{}], ()),
    ],
)
def test_plates_of_constant_data(shape, sites, expected):
    assert constant_plates(shape, sites) == expected
