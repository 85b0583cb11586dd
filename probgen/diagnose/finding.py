"""What one check has to say: a finding, and the limits it was judged by.

A finding is a fact with numbers, its cause in plain words and the next step. Failures mean that
the posterior should not be used as it is; warnings that it can be used with care; notes are
things a reader of the results should know. The default limits are those of Vehtari et al.
(2021, R-hat and ESS) and Betancourt (2017, E-BFMI and divergences).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from probgen.errors import OptionError

Severity = Literal["failure", "warning", "note"]
MOST_COUNTED = 10  # chains
SEVERITIES: tuple[Severity, ...] = ("failure", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing a check found.

    Attributes
    ----------
    check: short name of the check ("R-hat", "divergences", ...).
    severity: "failure", "warning" or "note".
    message: the fact, with its numbers.
    cause: why this happens, in plain words ("" where the message says it all).
    advice: the next step ("" where none is needed).
    sites: scalar parameters, or chains, affected and the number measured on each; worst first.

    """

    check: str
    severity: Severity
    message: str
    cause: str = ""
    advice: str = ""
    sites: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        lines = [f"{self.severity.upper()} {self.check}: {self.message}"]
        if self.cause:
            lines.append(f"  why:  {self.cause}")
        if self.advice:
            lines.append(f"  next: {self.advice}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Limits:
    """Where the checks draw their lines.

    Attributes
    ----------
    r_hat: rank-normalised split R-hat above this is a disagreement of chains.
    ess_per_chain: bulk and tail effective draws wanted per chain.
    mcse_share: Monte Carlo error of a mean, as a share of the posterior sd.
    divergence_share: share of divergent draws above which they are a failure in any case.
    bfmi: E-BFMI below this is low.
    depth_share: share of draws at the tree-depth limit that is worth saying.
    acceptance_gap: distance of a chain's mean acceptance rate from its target.
    repeat_share: share of draws equal to their predecessor above which a chain is stuck.
    chains: fewest chains that let R-hat speak.

    """

    r_hat: float = 1.01
    ess_per_chain: float = 100.0
    mcse_share: float = 0.1
    divergence_share: float = 0.01
    bfmi: float = 0.3
    depth_share: float = 0.01
    acceptance_gap: float = 0.1
    repeat_share: float = 0.9
    chains: int = 4

    def wanted_ess(self, chains: int) -> float:
        """Effective draws wanted of so many chains: of more than ten, as many as of ten."""
        return self.ess_per_chain * min(chains, MOST_COUNTED)


def limits_from(options: Mapping[str, Any]) -> Limits:
    """Limits with the given ones replaced; OptionError names an unknown or non-numeric one."""
    known = [entry.name for entry in fields(Limits)]
    for name, value in options.items():
        if name not in known:
            raise OptionError(
                f"diagnose: unknown limit `{name}`. The limits are: {', '.join(known)}."
            )
        if not isinstance(value, int | float):
            raise OptionError(f"diagnose: limit `{name}` must be a number, got {value!r}.")
    return Limits(**options)
