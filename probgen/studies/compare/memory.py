"""Peak memory of a stretch of work in this process."""

from __future__ import annotations

import math
import re
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["PeakMemory"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """A context manager; afterwards `peak` and `added` are bytes of resident memory.

    `added` is the peak beyond what the process held at the start: what the work itself took.
    Linux counts anew from the start; elsewhere the peak since the process began is taken.
    """

    def __init__(self) -> None:
        self.peak = self.added = math.nan
        self._before = math.nan

    def __enter__(self) -> PeakMemory:
        with suppress(OSError):
            _RESET.write_text("5")  # starts the high-water mark anew
        self._before = _resident("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.peak = _resident("VmHWM")
        self.added = max(self.peak - self._before, 0.0)


def _resident(field: str) -> float:
    """Bytes of resident memory now (VmRSS) or at most (VmHWM)."""
    with suppress(OSError):
        found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        if found:
            return 1024.0 * int(found[1])
    if sys.platform == "win32":
        return math.nan
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
