"""Values that do not fit a machine are refused with site, count and cure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from probgen.errors import DataError, OptionError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.boltzmann.values import read_values
from tests.nets.boltzmann.machines import machine_of, states_of


@pytest.fixture
def machine() -> BoltzmannMachine:
    """With one site of every kind."""
    visible = (
        Units("x", 4),
        Units("y", 1, "categorical", 3),
        Units("r", 2, "gaussian"),
        Units("rating", 3, "categorical", 5, optional=True),
    )
    return BoltzmannMachine([visible, Units("h", 2)])


IMAGES = np.arange(8).reshape(2, 4) * 36.0
NAN = float("nan")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": IMAGES}, r"'x': 7 of 8 .* x\[0, 1\] = 36 \(range 0 to 252\)\. Binarise"),
        ({"x": [[0.5, 0, 0, 1]]}, r"'x': 1 of 4 values are not 0 or 1.* = 0\.5"),
        ({"x": [[0, 0, 0, NAN]]}, "'x': 1 of 4 values NaN"),
        ({"x": np.zeros((2, 2, 2))}, r"has shape \(2, 2, 2\).*Flatten it: x\.reshape\(len"),
        ({"x": np.zeros((2, 5))}, r"'x' has shape \(2, 5\); its 4 units take \(cases, 4\)"),
        ({"x": np.zeros(4)}, r"'x' has shape \(4,\)"),
        ({"x": np.zeros((0, 4))}, "'x' is empty"),
        ({"x": [["a", "b", "c", "d"]]}, "'x' holds no numbers"),
        ({"x": [[0, 1], [0]]}, "'x' holds no numbers"),
        ({"x": np.zeros((2, 4)) + 0j}, "'x' holds complex numbers"),
        ({"y": [-1, 0]}, r"'y': 1 of 2 .* not state numbers 0 to 2, such as y\[0, 0\] = -1"),
        ({"y": [3]}, "Number the states from 0"),
        ({"y": [1.5]}, "= 1.5"),
        ({"y": [NAN]}, "'y': 1 of 1 values NaN"),
        ({"r": [[np.inf, 0]]}, "'r': 1 of 2 values are not finite numbers"),
        ({"r": [[NAN, 0]]}, "'r': 1 of 2 values NaN"),
        ({"rating": [[NAN, 5, 0]]}, "not state numbers 0 to 4"),
        ({"xx": [[0]]}, r"no site 'xx'. Did you mean 'x'\? Its sites: 'x', 'y', 'r', "),
        ({"x": np.zeros((2, 4)), "y": [0, 1, 2]}, "different numbers of cases: {'x': 2, 'y'"),
        ({}, "No data: give values of 'x', 'y'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(machine, data, message):
    with pytest.raises(DataError, match=message):
        read_values(machine, data)


@pytest.mark.parametrize(
    "given",
    [
        [[0, 1, 1, 0]],
        np.array([[0, 1, 1, 0]], dtype=np.uint8),
        np.array([[False, True, True, False]]),
        np.array([[0.0, 1, 1, 0]]),
        torch.tensor([[0, 1, 1, 0]]),
        torch.tensor([[False, True, True, False]]),
        torch.tensor([[0.0, 1, 1, 0]], requires_grad=True),
        pd.DataFrame([[0, 1, 1, 0]]),
        xr.DataArray([[0, 1, 1, 0]]),
        np.array([[0, 1, 1, 0]]).T.copy().T[:, ::-1],
    ],
)
def test_every_kind_of_array_is_read(machine, given):
    values = read_values(machine, {"x": given})["x"]
    assert values.tolist() == [[0, 1, 1, 0]]
    assert values.dtype in (torch.int64, torch.float32)
    assert not values.requires_grad


def test_an_array_that_cannot_be_written_to_is_read_silently(machine, recwarn):
    given = np.zeros((2, 4))
    given.flags.writeable = False
    read_values(machine, {"x": given})
    assert not recwarn.list


def test_real_values_take_the_precision_of_the_machine(machine):
    given = {"r": np.ones((2, 2))}
    assert read_values(machine, given)["r"].dtype == torch.float32
    assert read_values(machine.double(), given)["r"].dtype == torch.float64
    assert read_values(machine, {"r": [[1, 2]]})["r"].dtype == torch.float64


def test_missing_values_are_read_where_they_are_asked_for(machine):
    data = {"x": [[0, 1, NAN, 1]], "y": [NAN], "r": [[NAN, 2.0]]}
    values = read_values(machine, data, missing=True)
    assert [int(value.isnan().sum()) for value in values.values()] == [1, 1, 1]


def test_a_wrong_value_beside_a_missing_one_is_refused(machine):
    with pytest.raises(DataError, match="'x': 1 of 4 values are not 0 or 1"):
        read_values(machine, {"x": [[NAN, 2, 0, 0]]}, missing=True)


def test_optional_units_without_a_value_take_no_part():
    """The energy of a case is that of the machine without these units."""
    machine = machine_of("categorical")
    whole = BoltzmannMachine([Units("x", 2, "categorical", 3, optional=True), Units("h", 2)])
    whole.double().load_state_dict(machine.state_dict())
    values = read_values(whole, {"x": [[2, NAN], [0, 1]], "h": [[1, 0], [1, 1]]})
    states = states_of(whole, values)
    assert states[0].tolist() == [[0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0]]
    assert whole.absent(0, states[0]).tolist() == [[False] * 3 + [True] * 3, [False] * 6]
    assert whole.absent(1, states[1]) is None
    assert whole.absent(0, states[0][1:]) is None
    bias, weight = machine.biases[0].tolist(), machine.weights[0].tolist()
    expected = -bias[2] - weight[2][0] - machine.biases[1].tolist()[0]
    found = whole.energy(states).detach()
    assert float(found[0]) == pytest.approx(expected)
    torch.testing.assert_close(found[1], machine.energy(states).detach()[1])
    decoded = whole.decode(0, states[0])["x"]
    assert decoded.isnan().tolist() == [[False, True], [False, False]]
    assert decoded.nan_to_num(nan=9).tolist() == [[2, 9], [0, 1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", 0), "at least one unit"),
        (("x", 3, "binary"), r"kind='binary' must be one of"),
        (("x", 3, "categorical", 1), "two states of each"),
        (("x", 3, "bernoulli", 2, True), "only categorical units can be optional"),
        (("my site", 3), "must be an identifier"),
    ],
)
def test_impossible_units_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        Units(*arguments)
