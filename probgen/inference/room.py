"""How much a result may weigh: what is left out unasked, and what cannot be made at all."""

from __future__ import annotations

import math
import os

from probgen.errors import TooLargeError

__all__ = ["LARGEST_UNASKED", "check_room"]

LARGEST_UNASKED = 1_000_000_000
"""Bytes of a group that is made without being named by the user."""


def check_room(size: float, what: str, cure: str) -> None:
    """Raise `TooLargeError` when `size` bytes are more than the memory of this machine."""
    if size > _machine_bytes():
        raise TooLargeError(
            f"{what} would take {size / 1e9:.3g} GB, more than this machine has: {cure}."
        )


def _machine_bytes() -> float:
    """Memory of the machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
