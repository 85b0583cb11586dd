"""CPU time of this process and all its children, and pinning to one core.

CPU time rather than wall time: a busy machine then disturbs the comparison least.
"""

import os
import resource
import time
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAYON", "POLARS_MAX")


def one_thread_environment() -> dict[str, str]:
    """Environment variables that keep numerical libraries to one thread."""
    single = {f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD}
    return single | {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def pin_to(core: int) -> None:
    """Keep this process and its future children on one core."""
    os.sched_setaffinity(0, {core})


def cpu_seconds() -> float:
    """CPU seconds used so far by this process and its children, finished or still running."""
    finished = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = sum(_cpu_seconds_of(child) for child in _descendants(os.getpid()))
    return time.process_time() + finished.ru_utime + finished.ru_stime + running


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("*"):
        try:
            children = (thread / "children").read_text().split()
        except OSError:  # the thread has ended meanwhile
            continue
        for child in map(int, children):
            found += [child, *_descendants(child)]
    return found


def _cpu_seconds_of(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:  # it has ended meanwhile
        return 0.0
    times = text.rsplit(")", 1)[1].split()[11:15]  # own and finished children's, user and system
    return sum(map(int, times)) / _TICKS_PER_SECOND


class Stopwatch:
    """CPU and wall seconds of a ``with`` block, in ``.cpu`` and ``.wall``."""

    cpu = wall = float("nan")

    def __enter__(self) -> "Stopwatch":
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cpu = cpu_seconds() - self._cpu
        self.wall = time.perf_counter() - self._wall
