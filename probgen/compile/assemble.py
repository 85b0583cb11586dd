"""Hand-written C++ from several files as one text.

The compiler is handed a single text, so that a library's name in the cache is a digest of all of
it; headers beside the entry file are put in place of their `#include` lines.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["assemble"]

_LOCAL_INCLUDE = re.compile(r'^#include "([a-z_]+\.hpp)"$', re.MULTILINE)


def assemble(directory: Path, entry: str) -> str:
    """The text of `entry` with every header of `directory` put in once, in order of need."""
    seen: set[str] = set()

    def expand(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        text = (directory / name).read_text().replace("#pragma once\n", "")
        return _LOCAL_INCLUDE.sub(lambda match: expand(match.group(1)), text)

    return expand(entry)
