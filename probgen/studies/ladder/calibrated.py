"""Rung: simulation-based calibration on a small model, or a small network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyro
import pyro.distributions as dist

from probgen.declare.network import Network
from probgen.studies.calibrate import calibrate
from probgen.studies.ladder.outcome import Outcome

__all__ = ["RUNG", "TARGET", "climb", "climb_network"]

RUNG = "calibration"
TARGET = "normal sample"
_SIZE = 4


def normal_sample(size: int, y: Any = None) -> None:
    """A normal sample of unknown mean and scale."""
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    scale = pyro.sample("scale", dist.Gamma(4.0, 4.0))
    with pyro.plate("observation", int(size)):
        pyro.sample("y", dist.Normal(mean, scale), obs=y)


def climb(method: Any, seed: int, replications: int, nature: str = "") -> Outcome:
    """Ranks of mean, scale and log likelihood.

    Of a method with a bias by `nature` ("unadjusted", "approximation"), failing is no fault.
    """
    usual = not hasattr(method, "defaults")
    study = calibrate(
        normal_sample, method, data={"size": _SIZE}, observed=["y"], replications=replications,
        seed=seed, progress=False, draws=500 if usual else None, warmup=300 if usual else None,
    )  # fmt: skip
    outcome = _judged(TARGET, study)
    if nature and outcome.passed is False:
        return replace(outcome, passed=None, note=f"{nature}: {outcome.note}")
    return outcome


def climb_network(method: Any, network: Network, seed: int, replications: int) -> Outcome:
    """Ranks of all variables but the last, which is evidence, and of the log joint."""
    study = calibrate(
        network, method, observed=[network.names[-1]], replications=replications, seed=seed,
        progress=False, draws=100, warmup=min(method.defaults.get("warmup", 0), 50),
    )  # fmt: skip
    return _judged(network.title, study)


def _judged(name: str, study: Any) -> Outcome:
    smallest = float(study.table["p_adjusted"].min()) if len(study.table) else 0.0
    note = "" if study.passed else study.verdict.findings[0]
    failed = int((study.tree["replications"]["ess"] < study.largest).sum())
    if not study.passed and failed > study.tree["replications"].sizes["replication"] / 4:
        return Outcome(RUNG, name, None, smallest, "p >= 0.01", "too few effective draws to say")
    return Outcome(RUNG, name, study.passed, smallest, "p >= 0.01", note)
