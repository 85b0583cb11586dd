"""Libraries of native code, several built at once."""

from __future__ import annotations

import threading

import pytest

from probgen.errors import BuildError
from probgen.inference.graphical.native import library


@pytest.fixture
def opened(monkeypatch):
    """Entries asked for; each call waits until another one is under way."""
    library.build_together.cache_clear()
    names, both = [], threading.Barrier(2, timeout=10)

    def wait_for_another(entry):
        both.wait()
        names.append(entry)

    monkeypatch.setattr(library, "open_library", wait_for_another)
    yield names
    library.build_together.cache_clear()


def test_libraries_are_built_side_by_side(opened):
    library.build_together("gibbs.cpp", "block_sweep.cpp")
    assert sorted(opened) == ["block_sweep.cpp", "gibbs.cpp"]


def test_without_a_compiler_only_opening_complains(monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    library.build_together.cache_clear()
    library.open_library.cache_clear()
    library.build_together("gibbs.cpp", "log_joint.cpp")
    with pytest.raises(BuildError, match="PROBGEN_CXX=none"):
        library.open_library("log_joint.cpp")
