"""Observed sites without a density: there is no posterior density to sample from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from probgen.declare.checks.problem import Problem, error
from probgen.declare.sites import is_implicit, sample_sites

__all__ = ["unscored_problems"]

_CURE = (
    "Use Adversarial, EnergyDistance or MMD to learn it (pg.fit), RejectionABC or SMCABC for its "
    "latent sites, or add an observation model: leave the site unobserved and observe a noisy "
    "measurement of it, as pg.measured does."
)


def unscored_problems(trace: Any) -> Iterator[Problem]:
    """An error for every observed site of a traced program that cannot be scored."""
    for name, message in sample_sites(trace):
        if message["is_observed"] and is_implicit(message):
            text = f"Observed site {name!r}: this site has no density (Implicit)."
            yield error(name, text, _CURE)
