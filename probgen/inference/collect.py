"""How what the chains of a run have written becomes `Draws`.

Stopping early, cutting to a rectangle and naming what went wrong are done here once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.errors import InitialisationError, SamplingError
from probgen.inference.adapt.settings import STATISTICS
from probgen.inference.chains import (
    BAD_START,
    OUT_OF_MEMORY,
    RAN_AWAY,
    Chains,
    largest_rectangle,
)
from probgen.inference.method import DensityLike, Draws
from probgen.inference.notes import notes_of, seen_of
from probgen.inference.pieces import columns_of, draws_before
from probgen.results.store.state import KernelState

__all__ = ["collected"]


def collected(chains: Chains, density: DensityLike, engine: str) -> Draws:
    """What the run hands back; raises for chains that could not start or go on.

    A run that has handed its draws over in pieces hands back totals. One that was interrupted
    before its first draw raises KeyboardInterrupt again.
    """
    _raise_for(chains)
    result = _drawn(chains) if chains.plan.keep is None else _handed_over(chains)
    seen = seen_of(result) if chains.plan.keep is None else chains.seen
    notes = notes_of(seen, density.coordinate_names)
    result.summary |= {"engine": engine, "interrupted": chains.interrupted, "notes": notes}
    result.adaptation["runs"] = result.adaptation["runs"] + 1
    return result


def _raise_for(chains: Chains) -> None:
    outcomes = chains.outcomes
    if BAD_START in outcomes:
        raise InitialisationError(
            f"Chain {outcomes.index(BAD_START)} starts where the log density or its gradient is "
            "not finite. Give other starting values (init), or run `check` on the model."
        )
    if OUT_OF_MEMORY in outcomes:
        raise SamplingError(
            "The sampler ran out of memory; ask for fewer draws or chains, or metric='diag'."
        )
    if RAN_AWAY in outcomes:
        raise SamplingError(
            f"Chain {outcomes.index(RAN_AWAY)} ran off to infinity: the posterior is improper "
            "(it has no finite mass in some direction). Give every latent site a proper prior, "
            "or data that inform it."
        )


def _drawn(chains: Chains) -> Draws:
    """The rectangle that holds the most draws, of a run in one go."""
    plan, whole = chains.plan, chains.whole
    if whole is None:  # interrupted before it began
        raise KeyboardInterrupt
    kept: slice | list[int] = slice(None)
    draws = whole.draws.shape[1]
    if chains.interrupted:
        before = draws_before(plan, whole.first)
        finished = [draws_before(plan, r.iterations) - before for r in chains.reports]
        kept, draws = largest_rectangle(finished)
    stats = columns_of(whole.stats[kept, :draws], chains.hidden)
    result = Draws(whole.draws[kept, :draws], stats, summary=_summary(chains, kept))
    if whole.warmup_draws is not None and whole.warmup_stats is not None:
        result.warmup_unconstrained = whole.warmup_draws[kept]
        result.warmup_stats = columns_of(whole.warmup_stats[kept], chains.hidden)
    result.adaptation = {name: array[kept] for name, array in chains.learnt.items()}
    if draws > 0:  # where an interrupted chain stood is not what was drawn
        result.adaptation["position"] = result.unconstrained[:, -1].copy()
    return result


def _handed_over(chains: Chains) -> Draws:
    """No draws, and the totals up to the last piece."""
    plan, state = chains.plan, chains.state
    if chains.interrupted and (state is None or draws_before(plan, state.iteration) == 0):
        raise KeyboardInterrupt
    dim = int(chains.settings.dim)
    if state is not None:
        _tell_as_of(chains, state)
        chains.learnt["position"][...] = state.position
    stats = columns_of(np.empty((plan.chains, 0, len(STATISTICS))), chains.hidden)
    result = Draws(np.empty((plan.chains, 0, dim)), stats)
    result.summary = _summary(chains, slice(None))
    result.adaptation = dict(chains.learnt)
    return result


def _tell_as_of(chains: Chains, state: KernelState) -> None:
    """Chains that were stopped had gone on after their last piece."""
    counters = state.counters
    for chain, report in enumerate(chains.reports):
        gradients, warmup = counters["gradients"][chain], counters["gradients_warmup"][chain]
        seconds, warm = counters["seconds_chain"][chain], counters["seconds_chain_warmup"][chain]
        report.divergences = int(counters["divergences"][chain])
        report.gradients_warmup, report.gradients_draws = int(warmup), int(gradients - warmup)
        report.seconds_warmup, report.seconds_draws = float(warm), float(seconds - warm)


def _summary(chains: Chains, kept: slice | list[int]) -> dict[str, Any]:
    reports, seconds = list(chains.reports), chains.seconds
    warmup = sum(r.seconds_warmup for r in reports)
    drawing = sum(r.seconds_draws for r in reports)
    share = warmup / (warmup + drawing) if warmup + drawing > 0 else 0.0
    indices = range(chains.plan.chains) if isinstance(kept, slice) else kept
    return {
        "gradient_evaluations_warmup": sum(r.gradients_warmup for r in reports),
        "gradient_evaluations": sum(r.gradients_draws for r in reports),
        "divergences": sum(reports[c].divergences for c in indices),
        "seconds_warmup": seconds * share,
        "seconds_sampling": seconds * (1 - share),
        "step_size": [reports[c].step_size for c in indices],
        "metric_directions": [reports[c].directions for c in indices],
    }
