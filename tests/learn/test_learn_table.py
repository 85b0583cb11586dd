"""Tabular data of every kind are read to the same codes; what does not fit is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from probgen.errors import DataError, TooLargeError
from probgen.learn.columns import read_table
from probgen.learn.table import Table

STATES = {"a": ("no", "yes"), "b": (0, 1, 2)}
FRAME = pd.DataFrame({"a": ["yes", None, "no", "yes"], "b": [2, 0, np.nan, 1]})
CODES = [[1, 2], [-1, 0], [0, -1], [1, 1]]
ROWS = [{"a": "yes", "b": 2}, {"b": 0}, {"a": "no", "b": float("nan")}, {"a": "yes", "b": 1}]


@pytest.mark.parametrize(
    "data",
    [
        FRAME,
        FRAME.astype({"a": "category"}),
        FRAME.astype({"a": "string", "b": "Int64"}),
        {"a": ["yes", None, "no", "yes"], "b": np.array([2, 0, np.nan, 1])},
        {"a": FRAME["a"], "b": [2, 0, None, 1]},
        ROWS,
        (FRAME.to_numpy(), ["a", "b"]),
        FRAME.to_numpy(),
        xr.Dataset({"a": ("row", FRAME["a"].to_numpy()), "b": ("row", FRAME["b"].to_numpy())}),
        xr.DataArray(FRAME.to_numpy(), dims=("row", "variable"), coords={"variable": ["a", "b"]}),
    ],
    ids=["frame", "categorical", "nullable", "mapping", "series", "records", "array_and_names",
         "array", "dataset", "dataarray"],
)  # fmt: skip
def test_every_kind_of_table_gives_the_same_codes(data):
    table = read_table(data, ["a", "b"], STATES)
    assert table.codes.tolist() == CODES
    assert table.states == (("no", "yes"), (0, 1, 2))
    assert not table.complete
    assert table.holes.tolist() == [1, 1]


def test_states_are_sorted_values_or_categories_when_none_are_given():
    frame = pd.DataFrame({
        "x": [2.0, np.nan, 0.0],
        "y": pd.Categorical(["low", "low", "low"], ["low", "mid", "high"]),
        "z": [True, False, True],
    })  # fmt: skip
    table = read_table(frame)
    assert table.states == ((0, 2), ("low", "mid", "high"), (False, True))
    assert table.codes.tolist() == [[1, 0, 1], [-1, 0, 0], [0, 0, 1]]


def test_given_states_that_never_occur_stay():
    table = read_table({"a": ["no", "no"]}, ["a"], STATES)
    assert table.counts([0]).tolist() == [2, 0]


def test_values_match_states_by_their_text():
    table = read_table({"a": [1, 0, 1.0], "b": [True, False, True]}, ["a", "b"],
                       {"a": ("0", "1"), "b": ("False", "True")})  # fmt: skip
    assert table.codes.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_unused_columns_are_told():
    table = read_table(FRAME.assign(extra=1), ["a", "b"], STATES)
    assert "'extra'" in table.notes[0]


@pytest.mark.parametrize("wide", [False, True], ids=["one_key", "many_columns"])
def test_distinct_rows_keep_all_counts(wide):
    rng = np.random.default_rng(3)
    columns = 60 if wide else 3
    codes = rng.integers(-1, 3, (7, columns)).astype(np.int32)
    codes = codes[rng.integers(0, 7, 500)]
    states = ((0, 1, 2),) * columns
    table = Table(tuple(range(columns)), states, codes, np.ones(500))
    distinct = table.distinct()
    assert len(distinct.codes) <= 7
    assert distinct.size == 500
    for row, weight in zip(distinct.codes, distinct.weights, strict=True):
        assert (codes == row).all(axis=1).sum() == weight


def test_counts_agree_with_a_loop():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, [2, 3, 4], (200, 3)).astype(np.int32)
    table = Table(("a", "b", "c"), ((0, 1), (0, 1, 2), (0, 1, 2, 3)), codes, np.ones(200))
    expected = np.zeros((4, 2, 3))
    for a, b, c in codes:
        expected[c, a, b] += 1
    assert (table.counts((2, 0, 1)) == expected).all()


def test_a_table_too_large_names_its_variables():
    codes = np.zeros((1, 40), dtype=np.int32)
    table = Table(tuple(f"v{k}" for k in range(40)), ((0, 1),) * 40, codes, np.ones(1))
    with pytest.raises(TooLargeError, match=r"'v0'.*cells"):
        table.counts(range(40))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"a": [], "b": []}), "empty: no rows"),
        ({}, "no columns"),
        ({"A": ["no"], "b": [1]}, "no column for the variable 'a'.*'A'"),
        ({"a": ["no", "yess"], "b": [1, 1]}, "Row 1 of the column 'a' holds 'yess'.*'yes'"),
        ({"a": ["no"], "b": [1, 2]}, "column 'b' has 2 rows, 'a' has 1"),
        ({"a": [["x"]], "b": [1]}, "column 'a' holds values that cannot be states"),
        ({"a": "no", "b": [1]}, "'a' is not a list of values"),
        (np.zeros((2, 3)), r"shape \(2, 3\) does not fit 2 names"),
        ("file.csv", "is text: read the file first"),
        (3, "type int cannot be read"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' twice"),
        (xr.DataArray([1, 2], dims="a"), "needs two dimensions"),
    ],
)
def test_what_does_not_fit_is_named(data, message):
    with pytest.raises(DataError, match=message):
        read_table(data, ["a", "b"], STATES)


def test_an_array_needs_names():
    with pytest.raises(DataError, match="no names of columns"):
        read_table(np.zeros((2, 2)))


def test_an_empty_column_without_states_is_refused():
    with pytest.raises(DataError, match="column 'a' is empty"):
        read_table({"a": [None, None]})


def test_a_continuous_column_is_refused():
    with pytest.raises(DataError, match=r"'x' has 100 different values.*continuous"):
        read_table({"x": np.random.default_rng(0).normal(size=100)})


def test_a_latent_variable_needs_no_column_but_states():
    table = read_table({"a": ["no"]}, ["a", "b"], STATES, latents={"b"})
    assert table.codes.tolist() == [[0, -1]]
    with pytest.raises(DataError, match="latent variable 'h' has no states"):
        read_table({"a": ["no"]}, ["a", "h"], STATES, latents={"h"})
