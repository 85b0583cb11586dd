"""Reader of the UAI format for Markov and Bayesian networks, and of its evidence files.

The format (UAI inference competitions, 2006-2022) is a stream of numbers: the preamble
`MARKOV` or `BAYES`, the variables and their cardinalities, the scopes, and one table for each
scope with its last variable fastest. In BAYES files the last variable of a scope is the child.
Variables are named 0, 1, ... and so are their states: the format has no names.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from probgen.declare.network import Network
from probgen.declare.networks.acyclic import check_acyclic
from probgen.declare.networks.named_tables import NamedTable, assemble
from probgen.declare.networks.origin import Origin
from probgen.declare.networks.uai_numbers import Numbers
from probgen.errors import DataError

__all__ = ["read_uai", "read_uai_evidence"]

_MOST_STATES = 2**16


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
    cards = numbers.integers(n, "the numbers of states of the variables")
    for v, card in enumerate(cards):
        if not 1 <= card <= _MOST_STATES:
            raise numbers.error(
                f"variable {v} has {card} states; expected 1 to {_MOST_STATES}.",
                numbers.next - n + v,
            )
    scopes = _scopes(numbers, n)
    states = {v: tuple(range(card)) for v, card in enumerate(cards)}
    tables = _tables(numbers, scopes, states, bayes=kind == "BAYES")
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
    values = numbers.integers(numbers.left, "variables and states")
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


def _scopes(numbers: Numbers, n: int) -> list[tuple[int, ...]]:
    scopes = []
    for k in range(numbers.count("the number of functions")):
        size = numbers.count(f"the number of variables of function {k}")
        scope = tuple(numbers.integers(size, f"the variables of function {k}"))
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
    states: dict[int, tuple[int, ...]],
    *,
    bayes: bool,
) -> list[NamedTable]:
    tables = []
    for k, scope in enumerate(scopes):
        shape = [len(states[v]) for v in scope]
        size = math.prod(shape)
        told = numbers.count(f"the number of entries of the table of function {k}")
        if told != size:
            raise numbers.error(
                f"the table of function {k} over variables {scope} must have {size} entries, "
                f"but {told} are announced.",
                numbers.next - 1,
            )
        values = numbers.reals(size, f"the table of function {k}")
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
