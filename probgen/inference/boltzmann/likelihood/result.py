"""Log partition functions and log-likelihoods that say how far they can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgen.inference.of_cases import OfCases

__all__ = ["Conservative", "LogLikelihood", "LogPartition"]


@dataclass(frozen=True, eq=False)
class LogPartition:
    """Log of the partition function, nats.

    value: the log of the mean weight; on average below log Z (Jensen), unless it is exact.
    error: its standard error; 0 of an exact sum.
    interval: three standard errors of the mean weight to both sides, in the log domain.
    ess: effective number of particles; None of an exact sum.
    above: estimate by walks back, on average above log Z; None where there were none.
    settings: of the method: chains, betas, schedule, base, sweeps.
    reliable: whether the walks back agree, or the sum is exact.
    notes: sentences for the user.
    """

    value: float
    method: str
    error: float = 0.0
    interval: tuple[float, float] = (math.nan, math.nan)
    ess: float | None = None
    above: float | None = None
    above_error: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reliable: bool = True
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The number with its error, and how it was found."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What is printed."""
        if self.ess is None:
            return [f"log Z             {self.value:.4f} nats, exact ({self.method})"]
        low, high = self.interval
        how = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        lines = [
            f"log Z             {self.value:.3f} +- {self.error:.3f} nats (three errors: "
            f"{low:.3f} to {high:.3f}); below on average",
            f"  by              {self.method}: {how}",
            f"  weights         ESS {self.ess:.1f} of {self.settings['chains']} particles",
        ]
        if self.above is not None:
            lines.append(
                f"  walks back      {self.above:.3f} +- {self.above_error:.3f} nats; "
                "above on average"
            )
        return [*lines, *(f"  note            {note}" for note in self.notes)]


@dataclass(frozen=True, eq=False)
class Conservative(OfCases):
    """Mean log-likelihood of some cases by walks back from them: RAISE, nats per case.

    On average below the log-likelihood of what the walk forward draws from, which is nearly the
    machine (Burda, Grosse & Salakhutdinov 2015).

    numbers: of the cases in the data. cases: one estimate each. estimate: mean log-likelihood of
    the same cases by the walk forward.
    """

    numbers: np.ndarray
    cases: np.ndarray
    estimate: float

    @property
    def gap(self) -> float:
        """How far it is below the estimate for the same cases, nats per case."""
        return self.estimate - self.mean


@dataclass(frozen=True, eq=False)
class LogLikelihood(OfCases):
    """Mean log-likelihood of data under a machine, nats per case.

    cases: log-likelihood of every case, (cases,).
    log_z: the partition function they share.
    bound: "exact"; "above on average" of annealed estimates, since log Z is below; "below ...
        given log Z" where hidden layers are bounded.
    conservative: an estimate from below for some of the cases; None where there is none.
    variational: of deep belief networks, and of deep machines by mean field, the variational
        bound of every case given log Z, (cases,).
    """

    cases: np.ndarray
    log_z: LogPartition
    bound: str
    conservative: Conservative | None = None
    variational: np.ndarray | None = None

    @property
    def error(self) -> float:
        """Standard error of the estimate for these cases: that of log Z."""
        return self.log_z.error

    @property
    def interval(self) -> tuple[float, float]:
        """From the interval of log Z."""
        low, high = self.log_z.interval
        shift = self.mean + self.log_z.value
        return shift - high, shift - low

    @property
    def ess(self) -> float | None:
        """Effective number of particles behind log Z; None of an exact sum."""
        return self.log_z.ess

    @property
    def reliable(self) -> bool:
        """As of log Z."""
        return self.log_z.reliable

    def __str__(self) -> str:
        """The mean with its errors, what kind of bound it is, and log Z."""
        exact = self.log_z.ess is None
        error = "" if exact else f" +- {self.error:.3f}"
        lines = [
            f"log-likelihood    {self.mean:.3f}{error} nats per case, {self.bound}",
            f"  cases           {len(self.cases)}; standard error over cases {self.spread:.3f}",
        ]
        if not exact:
            low, high = self.interval
            lines.append(f"  three errors    {low:.3f} to {high:.3f}")
        if self.conservative is not None:
            found = self.conservative
            lines.append(
                f"  RAISE           {found.mean:.3f} +- {found.spread:.3f} on {len(found.cases)} "
                f"cases, below on average; the estimate above says {found.estimate:.3f} for these"
            )
        if self.variational is not None and not np.array_equal(self.variational, self.cases):
            lines.append(f"  variational     {self.variational.mean():.3f} nats per case, below")
        return "\n".join([*lines, *self.log_z.lines()])
