"""Rung: posteriors of the zoo whose means and standard deviations are known from long runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from arviz_stats.base import array_stats

from probgen.inference.infer_program import ProgramOptions, infer_program
from probgen.results.tree import Labels
from probgen.studies.ladder.outcome import Outcome
from probgen.studies.ladder.target_run import chains_of

__all__ = ["QUICK", "REST", "RUNG", "climb"]

RUNG = "reference posterior"
SIGMAS = 5.0
LEAST_ESS = 100
BIAS = 0.1
QUICK = ("eight_schools",)
REST = ("beta_binomial", "linear_regression", "logistic_regression", "poisson_regression")


def climb(method: Any, name: str, seed: int, draws: int) -> Outcome:
    """Means and deviations of a zoo model against its `reference`."""
    from probgen.declare.modelfile import load_zoo_model

    model = load_zoo_model(name)
    options = ProgramOptions(
        chains=chains_of(method), draws=draws, warmup=1000, seed=seed, log_likelihood=False,
        progress=False,
    )  # fmt: skip
    tree = infer_program(model.program, method, model.data, options, Labels())
    unadjusted = bool(tree.attrs.get("unadjusted"))
    posterior = tree["posterior"].dataset
    errors, sizes = [], []
    for key, known in (model.reference or {}).items():
        values = _scalar(posterior, key)
        mean, mean_error, sd, sd_error = known
        ess = [float(array_stats.ess(values, method=m)) for m in ("mean", "sd")]
        sizes += ess
        own = array_stats.mcse(values, method="mean"), array_stats.mcse(values, method="sd")
        bias = BIAS * sd if unadjusted else 0.0
        for found, truth, error, mine in (
            (values.mean(), mean, mean_error, float(own[0])),
            (values.std(), sd, sd_error, float(own[1])),
        ):
            errors.append(max(abs(found - truth) - bias, 0.0) / np.hypot(error, mine))
    if min(sizes) < LEAST_ESS:
        note = f"ESS {min(sizes):.0f}, at least {LEAST_ESS} is needed to say"
        return Outcome(RUNG, name, None, min(sizes), f">= {LEAST_ESS} ESS", note)
    worst = float(max(errors))
    note = f"unadjusted: {BIAS:g} sd of bias are allowed" if unadjusted else ""
    return Outcome(RUNG, name, worst <= SIGMAS, worst, f"<= {SIGMAS:g} standard errors", note)


def _scalar(posterior: Any, key: str) -> np.ndarray:
    """Draws (chain, draw) of "mu" or "theta[1]", whose indices count from one."""
    name, _, index = key.partition("[")
    values = posterior[name].transpose("chain", "draw", ...).values.astype(float)
    if not index:
        return values
    return values[(..., *(int(part) - 1 for part in index.rstrip("]").split(",")))]
