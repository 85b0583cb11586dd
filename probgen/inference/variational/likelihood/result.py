"""Log-likelihoods of cases under a program with latent sites, and how far they can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgen.inference.of_cases import OfCases
from probgen.inference.optimise.importance import TRUSTED

__all__ = ["CaseLikelihood"]

_FEW = 0.1
"""Share of cases whose weights may have too heavy a tail before the mean is called unreliable."""


@dataclass(frozen=True, eq=False)
class CaseLikelihood(OfCases):
    """Log-likelihood of every case, nats.

    cases: estimates, (cases,): the log of the mean weight, on average below the truth (Jensen),
        unless `bound` is "exact".
    errors: Monte Carlo standard errors of `cases`; zero where they are exact.
    ess: effective number of draws of each case; None of exact values.
    pareto_k: of the weights of each case; NaN where it was not looked at, None of exact values.
    elbo: mean log weight of each case; None of exact values.
    gap: mean of upper less lower bounds of the log-likelihood on data of the model itself, nats
        per case, with `gap_error`, its standard error; None where that was not checked.
    settings: of the method.
    notes: sentences for the user.
    """

    cases: np.ndarray
    method: str
    bound: str
    errors: np.ndarray
    ess: np.ndarray | None = None
    pareto_k: np.ndarray | None = None
    elbo: np.ndarray | None = None
    gap: float | None = None
    gap_error: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the mean for these cases."""
        return float(np.sqrt(np.square(self.errors).sum())) / len(self.errors)

    @property
    def interval(self) -> tuple[float, float]:
        """Three Monte Carlo errors to both sides of the mean."""
        return self.mean - 3 * self.error, self.mean + 3 * self.error

    @property
    def untrusted(self) -> float:
        """Share of the cases looked at whose weights have a Pareto k above 0.7."""
        if self.pareto_k is None:
            return 0.0
        known = self.pareto_k[~np.isnan(self.pareto_k)]
        return float((known > TRUSTED).mean()) if len(known) else math.nan

    @property
    def reliable(self) -> bool:
        """Whether weights and bounds say that the mean can be trusted."""
        tight = self.gap is None or self.gap_error is None
        tight = tight or abs(self.gap) < 1 + 4 * self.gap_error  # type: ignore[operator,arg-type]
        return tight and self.untrusted <= _FEW

    def __str__(self) -> str:
        """The mean with its errors, what kind of bound it is, and what its weights say."""
        exact = self.ess is None
        error = "" if exact else f" +- {self.error:.3f}"
        lines = [
            f"log-likelihood    {self.mean:.3f}{error} nats per case, {self.bound} "
            f"({self.method})",
            f"  cases           {len(self.cases)}; standard error over cases {self.spread:.3f}",
        ]
        if self.settings:
            how = ", ".join(f"{name} {value}" for name, value in self.settings.items())
            lines.append(f"  by              {how}")
        if self.ess is not None:
            lines.append(f"  weights         median ESS {float(np.median(self.ess)):.1f} per case")
        if self.pareto_k is not None and not math.isnan(self.untrusted):
            lines.append(f"  Pareto k        above {TRUSTED} in {self.untrusted:.0%} of cases")
        if self.elbo is not None:
            lines.append(f"  ELBO            {self.elbo.mean():.3f} nats per case")
        if self.gap is not None:
            lines.append(
                f"  bounds          {self.gap:.3f} +- {self.gap_error:.3f} nats apart on data of "
                "the model itself"
            )
        return "\n".join([*lines, *(f"  note            {note}" for note in self.notes)])
