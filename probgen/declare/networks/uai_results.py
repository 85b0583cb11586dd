"""Result files of the UAI competitions: marginals, partition function, explanations.

A file names its task (MAR, PR, MPE, MMAP) and gives the solution; solvers that improve theirs
write several, each after a line -BEGIN-, and the last one counts. Some write the number of
samples, 1, before the solution. The partition function is in decimal logarithms there and in
nats here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from probgen.declare.networks.text_files import read_text, write_text
from probgen.declare.networks.uai_numbers import Numbers
from probgen.declare.networks.uai_writer import numbers_text
from probgen.errors import DataError

__all__ = [
    "read_explanation",
    "read_marginal_explanation",
    "read_marginals",
    "read_partition_function",
    "write_explanation",
    "write_marginal_explanation",
    "write_marginals",
    "write_partition_function",
]

_T = TypeVar("_T")


def read_marginals(path: str | Path) -> list[np.ndarray]:
    """Probabilities of the states of every variable, from a `.MAR` file."""

    def parse(numbers: Numbers) -> list[np.ndarray]:
        marginals = []
        for v in range(numbers.count("the number of variables")):
            card = numbers.count(f"the number of states of variable {v}")
            what = f"the probabilities of variable {v}"
            marginals.append(numbers.reals(card, what))
        return marginals

    return _read(path, "MAR", parse)


def read_partition_function(path: str | Path) -> float:
    """Natural logarithm of the partition function, from a `.PR` file (which has log10)."""

    def parse(numbers: Numbers) -> float:
        return float(numbers.reals(1, "a decimal logarithm")[0]) * math.log(10)

    return _read(path, "PR", parse)


def read_explanation(path: str | Path) -> list[int]:
    """The most probable state of every variable, from an `.MPE` file."""

    def parse(numbers: Numbers) -> list[int]:
        n = numbers.count("the number of variables")
        return numbers.integers(n, "the states of the variables")

    return _read(path, "MPE", parse)


def read_marginal_explanation(path: str | Path) -> dict[int, int]:
    """The most probable states of the queried variables, from an `.MMAP` file."""

    def parse(numbers: Numbers) -> dict[int, int]:
        n = numbers.count("the number of queried variables")
        pairs = numbers.integers(2 * n, "variables and their states")
        return dict(zip(pairs[::2], pairs[1::2], strict=True))

    return _read(path, "MMAP", parse)


def write_marginals(marginals: Iterable[Sequence[float] | np.ndarray], path: str | Path) -> None:
    """Write the marginals of all variables in order; observed ones as 0 and 1."""
    rows = [np.asarray(p, dtype=np.float64) for p in marginals]
    body = " ".join([str(len(rows)), *(f"{row.size} {numbers_text(row)}" for row in rows)])
    write_text(path, f"MAR\n{body}\n")


def write_partition_function(log_z: float, path: str | Path) -> None:
    """Write a log partition function that is given in nats."""
    write_text(path, f"PR\n{log_z / math.log(10):.15g}\n")


def write_explanation(states: Sequence[int] | np.ndarray, path: str | Path) -> None:
    """Write the state of every variable, in order."""
    write_text(path, f"MPE\n{' '.join(str(int(k)) for k in (len(states), *states))}\n")


def write_marginal_explanation(states: Mapping[int, int], path: str | Path) -> None:
    """Write the states of the queried variables, by positions."""
    pairs = "".join(f" {int(v)} {int(s)}" for v, s in sorted(states.items()))
    write_text(path, f"MMAP\n{len(states)}{pairs}\n")


def _read(path: str | Path, task: str, parse: Callable[[Numbers], _T]) -> _T:
    """Parse the last solution; with a leading 1 skipped if only that makes sense."""
    path = Path(path)
    text = read_text(path)
    if "-BEGIN-" in text:
        before, _, last = text.rpartition("-BEGIN-")
        text = (before.split() or [""])[0] + "\n" * before.count("\n") + " " + last
    numbers = Numbers(path, text, preamble=True)
    if numbers.word.upper() != task:
        raise numbers.error(f"expected {task}, found {numbers.word!r}.", -1)
    try:
        return _whole(numbers, parse)
    except DataError as error:
        if len(numbers.plain) < 2 or numbers.plain[0] != 1:
            raise
        numbers.next = 1
        try:
            return _whole(numbers, parse)
        except DataError:
            raise error from None


def _whole(numbers: Numbers, parse: Callable[[Numbers], _T]) -> _T:
    found = parse(numbers)
    numbers.end("the solution")
    return found
