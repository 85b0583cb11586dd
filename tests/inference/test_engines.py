"""Native code where there is some, numpy where there is none, and a note where it failed."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from probgen.errors import BuildError
from probgen.inference.engines import run_on_an_engine
from probgen.inference.method import Draws
from tests.inference.targets import CORRELATED

NOTHING = np.empty((1, 0, 2))


def no_library() -> ctypes.CDLL:
    raise BuildError("no compiler was found")


def no_native(library: ctypes.CDLL) -> Draws:
    raise AssertionError("there is no library")


def plainly() -> Draws:
    return Draws(NOTHING, {}, summary={"notes": []})


def test_a_density_without_native_code_needs_no_library():
    density = replace(CORRELATED.native(), native=None)
    result = run_on_an_engine(density, no_library, no_native, plainly)
    assert result.summary["notes"] == []


def test_a_library_that_cannot_be_built_is_noted():
    result = run_on_an_engine(CORRELATED.native(), no_library, no_native, plainly)
    assert "no compiler was found" in result.summary["notes"][0]


def test_errors_of_the_run_itself_are_not_caught():
    def broken(library: ctypes.CDLL) -> Draws:
        raise FloatingPointError

    with pytest.raises(FloatingPointError):
        run_on_an_engine(CORRELATED.native(), lambda: ctypes.CDLL(None), broken, plainly)
