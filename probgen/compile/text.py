"""Small pieces of C++ text: numbers, addresses, loops."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = ["address", "literal", "loop", "loops", "single_precision"]

_REAL_NUMBER = re.compile(r"(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.])")
_UNROLLED = 16  # longer loops are never unrolled as a whole


def literal(value: float | int | bool, dtype: str) -> str:
    """A number as C++ text, exact to the last bit."""
    if dtype != "double":
        return str(int(value))
    number = float(value)
    if math.isnan(number):
        return "double(NAN)"
    if math.isinf(number):
        return "double(INFINITY)" if number > 0 else "double(-INFINITY)"
    return f"({number!r})" if number < 0 else repr(number)


def address(offset: int, strides: Sequence[int], index: Sequence[str]) -> str:
    """offset + sum(stride * index) as C++ text."""
    terms = [str(offset)] if offset else []
    for stride, name in zip(strides, index, strict=True):
        if stride:
            terms.append(name if stride == 1 else f"{stride}*{name}")
    return "+".join(terms) or "0"


def loop(name: str, size: int | str, nested: bool = True, vectorise: bool = False) -> str:
    """The head of a loop over 0 ... size - 1, which starts a line if need be.

    GCC 12 makes wrong vector code of an outer loop when it has unrolled a short inner one
    before (-O3, AVX2 and AVX-512), so nested loops are not unrolled.
    """
    pragmas = ["GCC ivdep"] if vectorise else []
    if nested and (isinstance(size, str) or size <= _UNROLLED):
        pragmas.append("GCC unroll 1")
    lines = "".join(f"\n#pragma {pragma}" for pragma in pragmas) + ("\n" if pragmas else "")
    return f"{lines}for(long {name}=0;{name}<{size};++{name})"


def loops(shape: Sequence[int], body: str) -> str:
    """`body` inside one loop per dimension."""
    return "".join(loop(f"i{d}", n, nested=d > 0) for d, n in enumerate(shape)) + body


def single_precision(expression: str) -> str:
    """A C++ expression of real numbers with its own numbers in single precision."""
    return _REAL_NUMBER.sub(r"\1f", expression.replace("double(", "float("))
