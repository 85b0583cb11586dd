"""Small pieces of C++ text: numbers, addresses, loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["address", "literal", "loops"]


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


def loops(shape: Sequence[int], body: str) -> str:
    """`body` inside one loop per dimension."""
    head = "".join(f"for(long i{d}=0;i{d}<{n};++i{d})" for d, n in enumerate(shape))
    return head + body
