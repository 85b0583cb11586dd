"""Reader of the UAI format for Markov and Bayesian networks, and of its evidence files.

The format (UAI inference competitions, 2006-2022) is a stream of numbers: the preamble
`MARKOV` or `BAYES`, the variables and their cardinalities, the scopes, and one table for each
scope with its last variable fastest. In BAYES files the last variable of a scope is the child.
Variables are named 0, 1, ... and so are their states: the format has no names.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np

from probgen.declare.network import Network
from probgen.declare.networks.named_tables import (
    NamedTable,
    Origin,
    assemble,
    check_acyclic,
)
from probgen.declare.networks.text_files import read_text
from probgen.errors import DataError

__all__ = ["Numbers", "read_uai", "read_uai_evidence"]

_COMMENT = re.compile(r"/\*.*?\*/|(?:#|//)[^\n]*", re.DOTALL)


def read_uai(path: str | Path) -> Network:
    """The network of a `.uai` file (gzipped or not).

    Raises `DataError` with the line and what was expected there.
    """
    path = Path(path)
    numbers = Numbers.of_file(path)
    kind = numbers.word.upper()
    if kind not in ("MARKOV", "BAYES"):
        raise numbers.error(f"a UAI file begins with MARKOV or BAYES, not {numbers.word!r}.", -1)
    n = numbers.count("the number of variables")
    cards = numbers.take(n, "the numbers of states of the variables")
    if n and cards.min() < 1:
        raise numbers.error(f"variable {int(cards.argmin())} has no states.", numbers.next - 1)
    scopes = _scopes(numbers, n)
    cards_list = cards.tolist()
    states = {v: tuple(range(card)) for v, card in enumerate(cards_list)}
    tables = _tables(numbers, scopes, cards_list, states, bayes=kind == "BAYES")
    numbers.end("the last table")
    origin = Origin(path, numbers.line_of)
    if kind == "BAYES":
        _check_bayes(tables, n, origin)
    return assemble(path.name.removesuffix(".gz").removesuffix(".uai"), states, tables, (), origin)


def read_uai_evidence(path: str | Path) -> dict[int, int]:
    """Observed state of each observed variable, from a `.evid` file.

    Reads both layouts, `m v s v s ...` and `1 m v s v s ...` (with the number of samples first);
    an empty file is no evidence. Raises `DataError` with the line, also for several samples.
    """
    path = Path(path)
    numbers = Numbers.of_file(path, preamble=False)
    values = numbers.all_integers()
    if not values:
        return {}
    if len(values) == 1 + 2 * values[0]:
        pairs = values[1:]
    elif values[0] == 1 and len(values) > 1 and len(values) == 2 + 2 * values[1]:
        pairs = values[2:]
    elif len(values) == 1:
        raise numbers.error(f"{values[0]} observations are announced, none follow.", 0)
    elif values[0] > 1 and _is_several_samples(values):
        raise DataError(
            f"{path} holds {values[0]} samples of evidence: keep one of them in the file."
        )
    else:
        raise numbers.error(
            f"{values[0]} observations of a variable and its state are announced, but "
            f"{len(values) - 1} numbers follow.",
            0,
        )
    evidence: dict[int, int] = {}
    for variable, state in zip(pairs[::2], pairs[1::2], strict=True):
        if evidence.setdefault(variable, state) != state:
            raise DataError(f"{path} gives variable {variable} two states.")
    return evidence


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
            self.values = np.array(list(map(float, tokens[self.first :])), dtype=np.float64)
        except ValueError:
            raise self._not_a_number(tokens[self.first :]) from None

    @classmethod
    def of_file(cls, path: Path, *, preamble: bool = True) -> Numbers:
        """Those of a file, gzipped or not."""
        return cls(path, read_text(path), preamble=preamble)

    def take(self, n: int, what: str, *, integers: bool = True) -> np.ndarray:
        """The next n numbers. Raises `DataError` if fewer are left or they are no integers."""
        group = self.values[self.next : self.next + n]
        if len(group) < n:
            raise self.error(
                f"the file ends after {len(group)} of {n} numbers: expected {what}.",
                len(self.values) - 1,
            )
        if integers:
            whole = (group == np.floor(group)) & (np.abs(group) < 2**53)
            if not whole.all():
                place = int(np.argmin(whole))
                raise self.error(
                    f"expected {what} (integers), found {group[place]:g}.", self.next + place
                )
            group = group.astype(np.int64)
        self.next += n
        return group

    def count(self, what: str) -> int:
        """The next number, an integer that is not negative."""
        value = int(self.take(1, what)[0])
        if value < 0:
            raise self.error(f"expected {what}, found {value}.", self.next - 1)
        return value

    def all_integers(self) -> list[int]:
        """All numbers that are left."""
        values: list[int] = self.take(len(self.values) - self.next, "whole numbers").tolist()
        return values

    def end(self, what: str) -> None:
        """Raise `DataError` unless all numbers are taken."""
        left = len(self.values) - self.next
        if left:
            raise self.error(f"{left} numbers too many after {what}.", self.next)

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


def _scopes(numbers: Numbers, n: int) -> list[tuple[int, ...]]:
    scopes = []
    for k in range(numbers.count("the number of functions")):
        size = numbers.count(f"the number of variables of function {k}")
        scope = tuple(numbers.take(size, f"the variables of function {k}").tolist())
        if scope and not (min(scope) >= 0 and max(scope) < n):
            wrong = next(v for v in scope if not 0 <= v < n)
            raise numbers.error(
                f"function {k} is over variable {wrong}; variables are 0 to {n - 1}.",
                numbers.next - 1,
            )
        if len(set(scope)) != size:
            raise numbers.error(f"function {k} has a variable twice: {scope}.", numbers.next - 1)
        scopes.append(scope)
    return scopes


def _tables(
    numbers: Numbers,
    scopes: list[tuple[int, ...]],
    cards: list[int],
    states: dict[int, tuple[int, ...]],
    *,
    bayes: bool,
) -> list[NamedTable]:
    tables = []
    for k, scope in enumerate(scopes):
        shape = [cards[v] for v in scope]
        size = math.prod(shape)
        told = numbers.count(f"the number of entries of the table of function {k}")
        if told != size:
            raise numbers.error(
                f"the table of function {k} over variables {scope} must have {size} entries, "
                f"but {told} are announced.",
                numbers.next - 1,
            )
        values = numbers.take(size, f"the table of function {k}", integers=False)
        tables.append(
            NamedTable(
                scope,
                tuple(states[v] for v in scope),
                values.reshape(shape),
                len(scope) - 1 if bayes and scope else None,
                numbers.next - size - 1,
            )
        )
    return tables


def _check_bayes(tables: list[NamedTable], n: int, origin: Origin) -> None:
    parents = {table.scope[-1]: table.scope[:-1] for table in tables if table.scope}
    children = Counter(table.scope[-1] for table in tables if table.scope)
    for v in range(n):
        if children[v] != 1:
            raise origin.error(
                f"{children[v]} tables are conditional tables of variable {v} (the last "
                "variable of a scope is the child); a BAYES file has one for each variable. "
                "If the tables are no conditional probabilities, begin the file with MARKOV."
            )
    check_acyclic(parents, origin)


def _is_several_samples(values: list[int]) -> bool:
    place = 1
    for _ in range(values[0]):
        if place >= len(values):
            return False
        place += 1 + 2 * values[place]
    return place == len(values)
