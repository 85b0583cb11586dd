"""Sets of draws from a model of any family, with the seconds that they took."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probgen.diagnose.judge import diagnose
from probgen.errors import ProbgenError, SamplingError
from probgen.learn.draws import draw_many, draws_together, placed
from probgen.nets.boltzmann.layers import Layered
from probgen.studies.fit_page.samples import RUNS, chains_of, values_of
from probgen.studies.generative.entries import Entry

__all__ = ["Drawing", "DrawnSet"]


@dataclass(frozen=True)
class DrawnSet:
    """Draws of the compared site, (row, ...), in the model's own space.

    `seconds` is what it took to make as many as `worth` of them: of chains, the effective sample
    size of the worst unit.
    """

    values: Tensor
    seconds: float
    worth: float
    note: str = ""


class Drawing:
    """Draws sets from one model; Boltzmann machines by chains that `diagnose` trusts.

    Chains of plain block Gibbs come first, then tempered ones where those are not trusted. Rows of
    the data give a program its conditions (a context, say) and are otherwise not looked at.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._first = 0  # of the runs of chains, the first that could be trusted
        self._together: bool | None = None

    def __call__(self, count: int, seed: int) -> DrawnSet:
        """`count` draws. Raises `ProbgenError` where there are none to be had."""
        if isinstance(self.entry.module, Layered):
            return self._by_chains(self.entry.module, count, seed)
        module, rows = self.entry.module, placed(self.entry.module, self.entry.rows)
        if self._together is None:
            self._together = draws_together(module, rows)
        began = time.perf_counter()
        drawn = draw_many(module, rows, count, seed, self._together)[self.entry.site].cpu()
        return DrawnSet(drawn, time.perf_counter() - began, count)

    def _by_chains(self, machine: Layered, count: int, seed: int) -> DrawnSet:
        failures = []
        for number, (method, counts) in enumerate(RUNS[self._first :], start=self._first):
            began = time.perf_counter()
            try:
                tree = chains_of(machine, method, counts, seed)
            except ProbgenError as error:
                failures.append(f"{method.name}: {error}")
                continue
            seconds = time.perf_counter() - began
            verdict = diagnose(tree)
            last = number == len(RUNS) - 1
            if not verdict.trustworthy and not last:
                failures.append(f"{method.name}: {verdict.headline}")
                continue
            self._first = number
            draws = values_of(machine, tree)[self.entry.site].flatten(0, 1)
            some = torch.arange(count) * len(draws) // count
            note = f"Chains of {method.name}. {verdict.headline}"
            told = next(name for name in ("ess_bulk", "ess") if name in verdict.table)
            effective = verdict.table[told].to_numpy(float)
            worth = float(np.nanmin(effective)) if np.isfinite(effective).any() else len(draws)
            return DrawnSet(draws[some], seconds, worth, note)
        raise SamplingError("No chains could be drawn. " + " ".join(failures))
