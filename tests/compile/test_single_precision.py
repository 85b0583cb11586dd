"""Functions compiled in single precision against torch in double."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from probgen.compile.function import CompiledDensity, density_source
from probgen.compile.lower import lower
from probgen.compile.text import single_precision
from probgen.compile.trace import trace_with_gradient
from tests.compile import compiled as harness
from tests.compile import elementwise_cases, shape_cases
from tests.compile.compiled import Case, assert_same, compile_cases
from tests.compile.recursions import random_recursion
from tests.compile.time_series import TIME_SERIES


def compiled_density(case: Case, precision: str) -> CompiledDensity:
    traced = trace_with_gradient(case.evaluate, case.inputs(0))
    source = density_source(lower(traced), len(case.shapes), precision)
    dim = sum(int(np.prod(shape)) for shape in case.shapes)
    return CompiledDensity(source, dim, "bold")


def flat(case: Case, seed: int) -> np.ndarray:
    return np.concatenate([item.reshape(-1).numpy() for item in case.inputs(seed)])


@pytest.mark.parametrize(
    "cases",
    [elementwise_cases.CASES[::3], shape_cases.CASES[::4]],
    ids=["element by element", "shapes"],
)
def test_rules(cases, monkeypatch):
    monkeypatch.setattr(harness, "emit", partial(harness.emit, single=True))
    monkeypatch.setattr(harness, "runtime", partial(harness.runtime, single=True))
    rough = [replace(case, rtol=1e-3) for case in cases]
    for name, compiled in compile_cases(rough).items():
        if isinstance(compiled, Exception):
            raise AssertionError(name) from compiled
        assert_same(compiled, compiled.case.inputs(1))


@pytest.mark.parametrize(
    "case",
    [TIME_SERIES[0](60), TIME_SERIES[3](60), random_recursion(10)],
    ids=lambda case: case.name,
)
def test_loops_over_time(case):
    density, exact = (compiled_density(case, name) for name in ("float32", "float64"))
    value, gradient = density.value_and_grad(flat(case, 1))
    expected, slope = exact.value_and_grad(flat(case, 1))
    assert value == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=1e-4 * np.abs(slope).max())


def test_long_sums_keep_their_digits():
    """A million equal rounding errors would add up in single precision."""
    y = torch.linspace(0.0, 1.0, 300_000, dtype=torch.float64)

    def function(mean, scale):
        return -0.5 * ((y - mean) / scale.exp()).square() - scale + 0.1

    density = compiled_density(Case("sum", function, ((), ())), "float32")
    case = Case("sum", function, ((), ()))
    expected = case.expected(case.inputs(1))
    value, gradient = density.value_and_grad(flat(case, 1))
    assert "float" in density.source.split("double evaluate")[1]
    assert value == pytest.approx(float(expected["value"]), rel=1e-6)
    np.testing.assert_allclose(gradient, [expected["grad:0"], expected["grad:1"]], rtol=1e-5)


def test_numbers_in_expressions():
    assert single_precision("(1.0/double({0}))") == "(1.0f/float({0}))"
    assert single_precision("({0}*1e-05+x1.y-2.5e+3)") == "({0}*1e-05f+x1.y-2.5e+3f)"
    assert single_precision("pow({0},3)") == "pow({0},3)"
