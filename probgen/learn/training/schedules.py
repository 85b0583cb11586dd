"""Schedules: values that change with the step, such as learning rates.

A schedule is a pure function of the step and of the steps in all, so that a resumed run needs no
state of it. `steps=None` stands for the whole training. Any option of a method that takes a
number may take a schedule where it says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from probgen.errors import OptionError

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Linear",
    "Piecewise",
    "Product",
    "Schedule",
    "Sequential",
    "WarmUp",
]


class Schedule:
    """A value for every step; schedules may be multiplied with each other and with numbers."""

    def at(self, step: int, total: int) -> float:
        """The value at `step` (from 0) of a training of `total` steps."""
        raise NotImplementedError

    def __mul__(self, other: float | Schedule) -> Product:
        return Product((self, other if isinstance(other, Schedule) else Constant(other)))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Constant(Schedule):
    """Always `value`."""

    value: float

    def __post_init__(self) -> None:
        """Validate."""
        _check_finite(self, "value")

    def at(self, step: int, total: int) -> float:
        """The value."""
        return self.value


@dataclass(frozen=True)
class Linear(Schedule):
    """From `start` to `end` in equal differences over `steps`; then `end`."""

    start: float
    end: float
    steps: int | None = None

    def __post_init__(self) -> None:
        """Validate."""
        _check_finite(self, "start", "end")
        _check_steps(self)

    def at(self, step: int, total: int) -> float:
        """start + (end - start) * min(step / steps, 1)."""
        return self.start + (self.end - self.start) * _share(step, self.steps, total)


@dataclass(frozen=True)
class Cosine(Schedule):
    """From `start` to `end` along half a cosine over `steps` (Loshchilov & Hutter 2017)."""

    start: float
    end: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        """Validate."""
        _check_finite(self, "start", "end")
        _check_steps(self)

    def at(self, step: int, total: int) -> float:
        """end + (start - end) * (1 + cos(pi * min(step / steps, 1))) / 2."""
        share = _share(step, self.steps, total)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Exponential(Schedule):
    """From `start` to `end` in equal ratios over `steps`; then `end`."""

    start: float
    end: float
    steps: int | None = None

    def __post_init__(self) -> None:
        """Validate."""
        _check_finite(self, "start", "end")
        _check_steps(self)
        if self.start * self.end <= 0:
            raise OptionError(f"{self}: start and end must have one sign and not be 0.")

    def at(self, step: int, total: int) -> float:
        """start * (end / start) ** min(step / steps, 1)."""
        return float(self.start * (self.end / self.start) ** _share(step, self.steps, total))


@dataclass(frozen=True)
class Piecewise(Schedule):
    """`values[k]` from step `boundaries[k - 1]` on; one more value than boundaries."""

    boundaries: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Validate."""
        rising = all(a < b for a, b in zip((0, *self.boundaries), self.boundaries, strict=False))
        if len(self.values) != len(self.boundaries) + 1 or not rising:
            raise OptionError(
                f"{self}: boundaries are rising steps above 0, values one more than they are."
            )

    def at(self, step: int, total: int) -> float:
        """The value of the piece that `step` is in."""
        return self.values[sum(step >= boundary for boundary in self.boundaries)]


@dataclass(frozen=True)
class WarmUp(Schedule):
    """`then`, begun slowly: times (step + 1) / steps during the first `steps`."""

    then: float | Schedule
    steps: int

    def __post_init__(self) -> None:
        """Validate."""
        _check_steps(self)

    def at(self, step: int, total: int) -> float:
        """min((step + 1) / steps, 1) times `then` at the same step."""
        return min((step + 1) / self.steps, 1.0) * value_at(self.then, step, total)


@dataclass(frozen=True)
class Sequential(Schedule):
    """`first` for `steps`, then `then`, which counts its steps from there."""

    first: float | Schedule
    steps: int
    then: float | Schedule

    def __post_init__(self) -> None:
        """Validate."""
        _check_steps(self)

    def at(self, step: int, total: int) -> float:
        """The value of the one whose turn it is."""
        if step < self.steps:
            return value_at(self.first, step, self.steps)
        return value_at(self.then, step - self.steps, max(total - self.steps, 1))


@dataclass(frozen=True)
class Product(Schedule):
    """The product of `factors`."""

    factors: tuple[Schedule, ...]

    def at(self, step: int, total: int) -> float:
        """The product of their values."""
        return math.prod(factor.at(step, total) for factor in self.factors)


def value_at(value: float | Schedule, step: int, total: int) -> float:
    """The value of a schedule at a step; a number is itself."""
    return value.at(step, total) if isinstance(value, Schedule) else value


def _share(step: int, steps: int | None, total: int) -> float:
    """How much of `steps` is over; the last of `total` steps stands at the end."""
    return min(step / (steps if steps is not None else max(total - 1, 1)), 1.0)


def _check_steps(schedule: Any) -> None:
    steps = schedule.steps
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise OptionError(f"{schedule}: steps={steps!r} must be an integer of at least 1.")


def _check_finite(schedule: Any, *names: str) -> None:
    for name in names:
        value = getattr(schedule, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise OptionError(f"{schedule}: {name}={value!r} must be a number.")
        if not math.isfinite(value):
            raise OptionError(f"{schedule}: {name}={value!r} must be finite.")
