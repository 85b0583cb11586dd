"""The source text of a function or class, where there is any."""

from __future__ import annotations

import inspect
import textwrap
import tokenize
from typing import Any

__all__ = ["source_text"]


def source_text(thing: Any) -> str | None:
    """The text of a function or class without the indentation it stands in; None without one.

    Code made by `exec` may name a file that is not its source, in which nothing can be found.
    """
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        return None
