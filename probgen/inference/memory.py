"""Between the attributes of Python objects and the fields of a chain's state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgen.inference.snapshot import Fields, refuse

__all__ = ["numbers_of", "padded", "rng_words", "set_numbers", "set_rng_words"]

_WORD = 2**64


def numbers_of(owner: Any, names: Sequence[str], prefix: str = "") -> Fields:
    """The named numbers of an object, truth values as integers."""
    values = {name: getattr(owner, name) for name in names}
    return {
        prefix + name: np.array(int(value) if isinstance(value, bool) else value)
        for name, value in values.items()
    }


def set_numbers(owner: Any, names: Sequence[str], fields: Fields, prefix: str = "") -> None:
    """Give them back; each keeps the type that it has. Raises `OptionError` for NaN."""
    for name in names:
        value = fields[prefix + name].item()
        if value != value:
            refuse(prefix + name, "it is not a number")
        setattr(owner, name, type(getattr(owner, name))(value))


def padded(rows: np.ndarray, length: int) -> np.ndarray:
    """`rows` followed by zeros up to `length` of them."""
    out = np.zeros((length, *rows.shape[1:]), dtype=rows.dtype)
    out[: len(rows)] = rows
    return out


def rng_words(rng: np.random.Generator) -> np.ndarray:
    """All of a PCG64 generator, uint64 (6,)."""
    state: Any = rng.bit_generator.state
    inner = state["state"]
    words = [*divmod(inner["state"], _WORD), *divmod(inner["inc"], _WORD)]
    return np.array([*words, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_rng_words(rng: np.random.Generator, words: np.ndarray) -> None:
    """Put a generator back to where `rng_words` saw it."""
    state: Any = rng.bit_generator.state
    high, low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in words)
    if has_uint32 > 1 or uinteger >= 2**32 or inc_low % 2 == 0:
        refuse("rng", "these are no words of a generator")
    state["state"] = {"state": high * _WORD + low, "inc": inc_high * _WORD + inc_low}
    state["has_uint32"], state["uinteger"] = has_uint32, uinteger
    rng.bit_generator.state = state
