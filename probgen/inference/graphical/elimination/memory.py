"""What exact inference would cost, known from the plan before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from probgen.errors import OptionError, TooLargeError
from probgen.inference.graphical.elimination.plan import EliminationPlan, plan_elimination
from probgen.targets.factors import Factors

__all__ = ["Cost", "check_memory_option", "check_size", "cost_of", "limit_bytes", "readable"]

SHARE_OF_AVAILABLE = 0.5
UNKNOWN_AVAILABLE = 4e9
ALWAYS_THERE = 1e7
MOST_ENTRIES = 2.0**30


@dataclass(frozen=True)
class Cost:
    """What exact inference takes: variables in the largest clique less one, table entries."""

    width: int
    entries: float
    bytes: float
    log2_largest: float
    limit_bytes: float

    @property
    def feasible(self) -> bool:
        """Whether `calibrate` would run with the same limit."""
        return self.bytes <= self.limit_bytes


def cost_of(factors: Factors, memory: float | None = None) -> Cost:
    """The cost of exact inference by the order that `calibrate` would take."""
    return _cost(plan_elimination(factors), memory)


def check_size(plan: EliminationPlan, factors: Factors, memory: float | None) -> None:
    """Raise `TooLargeError` when a plan costs more than the limit."""
    if memory is None and plan.bytes < ALWAYS_THERE:
        return
    cost = _cost(plan, memory)
    if cost.feasible:
        return
    largest = max(plan.cliques, key=lambda clique: float(len(clique)))
    some = ", ".join(str(factors.name(int(v))) for v in largest[:4])
    raise TooLargeError(
        f"Exact inference in {factors.network.title!r} is too large: width {cost.width}, largest "
        f"table 2^{cost.log2_largest:.1f} entries (over {some}, ...), {readable(cost.bytes)} in "
        f"all; the limit is {readable(cost.limit_bytes)}. Use pg.Gibbs() or "
        "pg.BeliefPropagation(), observe more variables, or raise memory= (GB)."
    )


def check_memory_option(method: str, memory: float | None) -> None:
    """Raise `OptionError` unless `memory` is None or a positive number of GB."""
    number = isinstance(memory, int | float) and not isinstance(memory, bool)
    if memory is not None and not (number and memory > 0):
        raise OptionError(f"{method}(memory={memory!r}): it must be a positive number of GB.")


def limit_bytes(memory: float | None) -> float:
    """The most to use: `memory` GB, by default half of what is available and what ends soon."""
    if memory is not None:
        return memory * 1e9
    return min(SHARE_OF_AVAILABLE * _available(), 8 * MOST_ENTRIES)


def readable(size: float) -> str:
    """A number of bytes with a unit that suits it."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} EB"


def _cost(plan: EliminationPlan, memory: float | None) -> Cost:
    limit = limit_bytes(memory)
    return Cost(plan.width, plan.entries, plan.bytes, plan.log2_largest, limit)


def _available() -> float:
    """Bytes of memory that can be had without swapping."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    except OSError:
        pass
    return UNKNOWN_AVAILABLE
