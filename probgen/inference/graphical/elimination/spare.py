"""Memory of large tables, kept for the next calibration.

Fresh memory costs more than the sums over it: the system hands it out page by page, zeroed.
"""

from __future__ import annotations

import threading

import numpy as np

__all__ = ["give_back", "take"]

WORTH = 2**16
MOST = 20_000_000
"""Entries: at most 160 MB are kept."""

_lock = threading.RLock()  # a collected tree may give back while another is made
_kept: list[np.ndarray] = []


def take(entries: int) -> np.ndarray:
    """Uninitialised float64 numbers, (entries,), from what was given back if that is enough."""
    with _lock:
        if _kept and _kept[0].size >= entries >= WORTH:
            return _kept.pop()[:entries]
    return np.empty(entries)


def give_back(array: np.ndarray) -> None:
    """Keep what `take` handed out, once nobody looks at it any more."""
    whole = array if array.base is None else array.base
    if not isinstance(whole, np.ndarray) or not WORTH <= whole.size <= MOST:
        return
    with _lock:
        if not _kept:
            _kept.append(whole)
        elif whole.size > _kept[0].size:
            _kept[0] = whole
