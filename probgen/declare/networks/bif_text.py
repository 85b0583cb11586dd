"""The text of a BIF file without comments and quotes, its lines still countable."""

from __future__ import annotations

import re
from pathlib import Path

from probgen.errors import DataError

__all__ = ["BifText"]

_QUOTED_OR_COMMENT = re.compile(r'"([^"\n]*)"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_SPACE = re.compile(r"\s*")
_QUOTED = re.compile("\ue000(\\d+)\ue001")


class BifText:
    """A BIF text made fit for patterns.

    Comments become white space, and each quoted string becomes a word from Unicode's private
    use area, so that names may hold commas, braces and spaces; `restore` gives them back.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self._strings: list[str] = []
        if '"' in text or "/" in text:
            text = _QUOTED_OR_COMMENT.sub(self._replace, text)
        self.clean = text

    def _replace(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return " " + "\n" * found[0].count("\n")
        self._strings.append(found[1])
        return f" \ue000{len(self._strings) - 1}\ue001 "

    def restore(self, name: str) -> str:
        """A name as the file has it, without its quotes."""
        if "\ue000" not in name:
            return name
        return _QUOTED.sub(lambda found: self._strings[int(found[1])], name.strip())

    def skip_space(self, at: int) -> int:
        """The first place from `at` that is not white space."""
        found = _SPACE.match(self.clean, at)
        return found.end() if found else at

    def line(self, at: int) -> int:
        """The line, from 1, of a place in `clean`."""
        return self.clean.count("\n", 0, at) + 1

    def error(self, message: str, at: int) -> DataError:
        """An error that names the file and the line of a place."""
        return DataError(f"{self.path}, line {self.line(at)}: {message}")
