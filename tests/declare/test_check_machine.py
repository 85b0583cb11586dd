"""The dry run of a Boltzmann machine names what is wrong, and says what would be done."""

from __future__ import annotations

import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

BINARY = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])


def binary(hidden: int = 2) -> BoltzmannMachine:
    return BoltzmannMachine([Units("x", 3), Units("h", hidden)])


def test_a_sound_machine_says_how_it_would_be_sampled():
    report = pg.check(binary())
    assert report.ok
    assert "BoltzmannMachine(x: 3 bernoulli - h: 2 bernoulli; 11 parameters)" in str(report)
    assert "infer takes Gibbs: both layers" in str(report)
    assert "exact log Z takes a sum over 2^2 states" in str(report)


def test_the_even_or_the_odd_layers_are_summed_over():
    deep = BoltzmannMachine([Units("x", 30), Units("h", 40), Units("g", 1, "categorical", 8)])
    assert "its exact sum has 2^33 terms" in str(pg.check(deep))
    gaussian = BoltzmannMachine([Units("x", 30, "gaussian"), Units("h", 4)])
    assert "sum over 2^4 states" in str(pg.check(gaussian))


def test_parameters_that_are_no_numbers_are_an_error():
    machine = binary()
    machine.weights[0].data[0, 1] = torch.nan
    report = pg.check(machine)
    assert "1 of 6 values of weights.0 are NaN" in str(report)
    with pytest.raises(ModelError, match="diverged"):
        report.raise_if_failed()


def test_data_outside_the_domain_are_an_error():
    report = pg.check(binary(), {"x": 255 * BINARY})
    assert "4 of 6 values are not 0 or 1" in str(report)
    with pytest.raises(DataError, match="Binarise"):
        report.raise_if_failed()


def test_missing_values_are_none():
    assert pg.check(binary(), {"x": BINARY.masked_fill(BINARY == 0, torch.nan)}).ok


def test_units_that_never_change_are_remarked():
    report = pg.check(binary(), {"x": BINARY})
    assert not report.warnings
    assert "Site 'x': 1 of 3 units have one value in all cases (x[2])" in str(report)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [([1.0, 1.0], []), ([1.0, 1000.0], ["Standardise"]), ([1.0, 0.0], ["Leave them out"])],
)
def test_scales_of_real_data_are_looked_at(scale, expected):
    machine = BoltzmannMachine([Units("x", 2, "gaussian"), Units("h", 2)])
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor(scale)
    cures = [problem.cure for problem in pg.check(machine, {"x": x}).warnings]
    assert len(cures) == len(expected)
    assert all(word in cure for word, cure in zip(expected, cures, strict=True))
