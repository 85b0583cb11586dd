"""The C++ that generated functions stand on: the core always, further headers where called."""

from __future__ import annotations

import functools
from importlib import resources

__all__ = ["runtime"]

_FURTHER = ("sorting", "spectra", "special", "factors")


def runtime(text: str, single: bool = False) -> str:
    """The headers that the C++ `text` calls, to be put before it; `single` adds float forms."""
    names = [
        "runtime",
        *(["single"] if single else []),
        *(name for name in _FURTHER if f"probgen::{name}::" in text),
    ]
    return "\n".join(map(_header, names)) + "\n"


@functools.cache
def _header(name: str) -> str:
    return resources.files("probgen.compile").joinpath(f"{name}.hpp").read_text()
