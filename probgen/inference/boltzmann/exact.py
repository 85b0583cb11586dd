"""Exact inference in small machines: marginals, and draws that are independent of each other."""

from __future__ import annotations

import time

import numpy as np
import torch

from probgen.inference.boltzmann.counting import UnitCounts
from probgen.inference.boltzmann.densities import densities
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.boltzmann.listed import ListedCase
from probgen.inference.graphical.method import GraphPlan, GraphResult, state_offsets
from probgen.nets.stream import Stream
from probgen.results.marginals import Marginals

__all__ = ["exact"]


@torch.no_grad()
def exact(layout: Layout, plan: GraphPlan) -> GraphResult:
    """Marginals and `plan.chains` times `plan.draws` draws; the machine of `layout` is float64.

    `log_partition` of the summary (nats) is that of the free units given the observed ones.
    Raises `TooLargeError` when too many states would have to be listed.
    """
    started = time.perf_counter()
    stream = Stream(plan.seed)
    cases = [ListedCase(layout, case) for case in range(layout.cases)]
    means = torch.cat([mean for case in cases for mean in case.means()]).numpy()
    drawn = [case.draws(plan.draws * plan.chains, stream) for case in cases]
    # Of every layer (draw, chain and case, width), as the rows of a layout are.
    by_layer = [
        torch.stack(parts, 1).reshape(plan.draws, layout.rows, -1)
        for parts in zip(*drawn, strict=True)
    ]
    shape = (plan.draws, plan.chains, layout.cases)
    draws = np.empty((*shape, layout.kept_size), dtype=layout.kept_type)
    stats: dict[str, np.ndarray] = {}
    for number in range(plan.draws):
        states = [state[number] for state in by_layer]
        draws[number] = layout.kept_values(states).reshape(draws.shape[1:])
        for name, values in densities(layout, states).items():
            own = stats.setdefault(name, np.empty(shape))
            own[number] = values.numpy().reshape(shape[1:])
    summary = {
        "engine": "enumeration",
        "exact": True,
        "log_partition": [case.log_partition for case in cases],
        "seconds_sampling": time.perf_counter() - started,
        "interrupted": False,
        "notes": [],
    }
    cut = slice(None) if layout.evidence.batched else 0
    return GraphResult(
        marginals=_marginals(layout, means),
        states=draws.reshape(*shape[:2], -1).transpose(1, 0, 2),
        stats={name: values.transpose(1, 0, 2)[:, :, cut] for name, values in stats.items()},
        summary=summary,
    )


def _marginals(layout: Layout, means: np.ndarray) -> Marginals:
    """Probabilities of the states of the free discrete units, from all mean states in a row."""
    counts = UnitCounts(layout)
    ones = means[counts.columns]
    cards = np.array([units.states for units, _, _ in UnitCounts.variables_of(layout)], dtype=int)
    return Marginals(state_offsets(cards), np.where(counts.complement, 1 - ones, ones))
