"""The stream of numbers that every file of the UAI formats is, with lines for errors.

Comments (`# ...`, `// ...` and `/* ... */`), which some programs write, are skipped.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np

from probgen.declare.networks.text_files import read_text
from probgen.errors import DataError

__all__ = ["Numbers"]

_COMMENT = re.compile(r"/\*.*?\*/|(?:#|//)[^\n]*", re.DOTALL)


class Numbers:
    """The numbers of a UAI-like file after its first word, taken one group after the other.

    Tokens are converted in one go; the line of a token is found only when an error needs it.
    """

    def __init__(self, path: Path, text: str, *, preamble: bool) -> None:
        self.path = path
        if "#" in text or "/" in text:
            text = _COMMENT.sub(lambda found: "\n" * found.group().count("\n") + " ", text)
        self.text = text
        tokens = text.split()
        self.first = 1 if preamble else 0
        if preamble and not tokens:
            raise DataError(f"{path} is empty.")
        self.word = tokens[0] if preamble else ""
        self.next = 0
        try:
            self.plain = list(map(float, tokens[self.first :]))
        except ValueError:
            raise self._not_a_number(tokens[self.first :]) from None
        self.values = np.array(self.plain, dtype=np.float64)

    @classmethod
    def of_file(cls, path: Path, *, preamble: bool = True) -> Numbers:
        """Those of a file, gzipped or not."""
        return cls(path, read_text(path), preamble=preamble)

    def reals(self, n: int, what: str) -> np.ndarray:
        """The next n numbers. Raises `DataError` if fewer are left."""
        self._need(n, what)
        self.next += n
        return self.values[self.next - n : self.next]

    def integers(self, n: int, what: str) -> list[int]:
        """The next n numbers. Raises `DataError` if fewer are left or they are not integers."""
        self._need(n, what)
        group = self.plain[self.next : self.next + n]
        for k, number in enumerate(group):
            if not number.is_integer():
                raise self.error(
                    f"expected {what} (whole numbers), found {number:g}.", self.next + k
                )
        self.next += n
        return list(map(int, group))

    def count(self, what: str) -> int:
        """The next number, an integer that is not negative."""
        value = self.integers(1, what)[0]
        if value < 0:
            raise self.error(f"expected {what}, found {value}.", self.next - 1)
        return value

    @property
    def left(self) -> int:
        """How many numbers have not been taken."""
        return len(self.plain) - self.next

    def _need(self, n: int, what: str) -> None:
        if self.left < n:
            raise self.error(
                f"the file ends too early: expected {what} ({n} numbers, {self.left} are left).",
                len(self.plain) - 1,
            )

    def end(self, what: str) -> None:
        """Raise `DataError` unless all numbers are taken."""
        if self.left:
            raise self.error(f"{self.left} numbers too many after {what}.", self.next)

    def line_of(self, token: int) -> int:
        """The line of a number (0 the first after the preamble, -1 the preamble)."""
        place = 0
        for found in itertools.islice(re.finditer(r"\S+", self.text), token + self.first + 1):
            place = found.start()
        return self.text.count("\n", 0, place) + 1

    def error(self, message: str, token: int) -> DataError:
        """An error about a number."""
        return DataError(f"{self.path}, line {self.line_of(token)}: {message}")

    def _not_a_number(self, tokens: list[str]) -> DataError:
        for k, token in enumerate(tokens):
            try:
                float(token)
            except ValueError:
                return self.error(f"expected a number, found {token[:40]!r}.", k)
        raise AssertionError("unreachable")
