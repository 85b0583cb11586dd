"""User data to tensors, and their names against the arguments of a program."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from pyro import poutine

from probgen.declare.data import as_tensors, check_names, name_errors, name_of
from probgen.errors import DataError
from tests.declare.programs import PROGRAMS, Linear, schools


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1.5, 2], torch.float64),
        ([1, 2], torch.int64),
        ((True, False), torch.bool),
        (np.array([1, 2], dtype=np.int32), torch.int64),
        (np.array([1, 2], dtype=np.float32), torch.float64),
        (torch.ones(2, dtype=torch.float32, requires_grad=True), torch.float64),
        (torch.ones(2, dtype=torch.int32), torch.int32),
        (pd.Series([1.0, 2.0], index=[5, 6]), torch.float64),
        (pd.Series([1, 2], dtype="Int64"), torch.int64),
        (xr.DataArray([1.0, 2.0], dims="n"), torch.float64),
        (range(2), None),
    ],
)
def test_arrays_become_tensors(value, dtype):
    result = as_tensors({"x": value})["x"]
    if dtype is None:
        assert result is value
    else:
        assert result.dtype == dtype
        assert not result.requires_grad


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan])
def test_missing_numbers_become_nan(missing):
    result = as_tensors({"x": pd.Series([1, missing, 3], dtype=object)})["x"]
    assert torch.equal(result.isnan(), torch.tensor([False, True, False]))


def test_data_are_copied():
    array = np.ones(3)
    tensor = as_tensors({"x": array})["x"]
    array[0] = 5.0
    assert tensor.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("value", [3, 2.5, True, "text", None])
def test_plain_values_stay(value):
    assert as_tensors({"x": value})["x"] is value


def test_numpy_scalars_become_numbers():
    assert as_tensors({"n": np.int64(4)})["n"] == 4
    assert isinstance(as_tensors({"n": np.int64(4)})["n"], int)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1, 2], "must be a mapping.*list"),
        ({"x": ["a", "b"]}, "'x'.*factorize"),
        ({"x": [[1, 2], [3]]}, "'x'.*ragged"),
        ({"x": pd.Series(["a", None])}, "'x'.*factorize"),
        ({"x": np.array(["2020-01-01"], dtype="datetime64[D]")}, "'x'.*numbers"),
    ],
)
def test_unusable_data_are_named(data, words):
    with pytest.raises(DataError, match=words):
        as_tensors(data)


def model(x, n=3, *, y=None):
    return x, n, y


def by_position(x, /, y):
    return x, y


@pytest.mark.parametrize(
    ("program", "names", "wrong"),
    [
        (model, ["x"], []),
        (model, ["x", "n", "y"], []),
        (model, [], ["x"]),
        (model, ["x", "z"], ["z"]),
        (model, ["z"], ["z", "x"]),
        (by_position, ["y"], ["x"]),
        (functools.partial(model, 1), ["y"], []),
        (functools.partial(model, x=1), ["x", "y"], []),
        (lambda *arguments: arguments, ["x"], ["x"]),
        (lambda **arguments: arguments, ["x", "z"], []),
        (Linear(), ["x", "z"], ["z"]),
        (Linear(), ["y"], ["x"]),
        (poutine.scale(Linear(), scale=0.5), ["y"], ["x"]),
        (poutine.scale(schools, scale=0.5), ["y", "z"], ["z"]),
        (PROGRAMS["reparametrised"][0], ["z"], ["z", "y"]),
        (PROGRAMS["callable_object"][0], ["z"], ["z", "y"]),
        (max, ["x"], []),  # no signature: takes anything
    ],
)
def test_names_are_held_against_the_signature(program, names, wrong):
    assert [name for name, _, _ in name_errors(program, names)] == wrong


def test_a_close_name_is_offered():
    def regression(response, predictors):
        return response, predictors

    with pytest.raises(DataError) as caught:
        check_names(regression, {"respons": 1, "predictors": 2})
    assert "takes no argument named 'respons'" in str(caught.value)
    assert "Did you mean 'response'?" in str(caught.value)


def test_name_of_what_is_wrapped():
    assert name_of(functools.partial(model, 1)) == "model"
    assert name_of(PROGRAMS["reparametrised"][0]) == "schools"
    assert name_of(poutine.mask(schools, mask=True)) == "schools"
    assert name_of(Linear()) == "Linear"
