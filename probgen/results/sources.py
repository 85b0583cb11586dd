"""The source text of a function or class, where there is any."""

from __future__ import annotations

import inspect
import textwrap
import tokenize
from typing import Any

__all__ = ["cut", "source_text"]

_LARGEST = 20_000  # bytes of a text: an attribute of a NetCDF file holds 64 kB
_CUT = "\n..."


def source_text(thing: Any) -> str | None:
    """The text of a function or class without the indentation it stands in; None without one.

    Code made by `exec` may name a file that is not its source, in which nothing can be found.
    """
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        return None


def cut(text: str) -> str:
    """A text that fits in an attribute of a result, its end left out where it is long."""
    raw = text.encode(errors="replace")
    if len(raw) <= _LARGEST:
        return text
    return raw[: _LARGEST - len(_CUT)].decode(errors="ignore") + _CUT
