"""Random numbers that depend on a seed and a position alone.

Every block of draws gets a key of its own, so a stream is resumed from two integers, and draws
do not depend on threads or on what else was drawn in between.
"""

from __future__ import annotations

import torch

__all__ = ["Stream"]

_MASK = (1 << 64) - 1


class Stream:
    """A sequence of 64-bit keys; the `position` is all that changes.

    Args:
        seed: any integer.
        position: keys taken so far.

    """

    def __init__(self, seed: int, position: int = 0) -> None:
        self.seed = seed & _MASK
        self.position = position

    def key(self) -> int:
        """The next key, which seeds one block of draws (SplitMix64, Steele et al. 2014)."""
        self.position += 1
        return _mix(_mix(self.seed) + self.position * 0x9E3779B97F4A7C15)

    def generator(self, device: torch.device | str = "cpu") -> torch.Generator:
        """A torch generator with the next key as its seed."""
        return torch.Generator(device).manual_seed(self.key() >> 1)


def _mix(word: int) -> int:
    word &= _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
