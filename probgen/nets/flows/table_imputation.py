"""Completing a table of mixed types: categories and numbers take turns, each given the other.

A missing category is drawn from its exact conditional, every state's likelihood of the row being
computed; missing numbers by Metropolis-Hastings given the categories, begun anew in every sweep
(see `imputation`); the noise below the integers that are known is moved too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from probgen.nets.flows.table import TableFlow

__all__ = ["impute_rows_of_table"]


@torch.no_grad()
def impute_rows_of_table(
    model: TableFlow, x: Tensor | None, k: Tensor | None, sweeps: int, steps: int, seed: int
) -> dict[str, Tensor]:
    """One draw of all missing entries, NaN in x, (row, numeric), and -1 in k, (row, categorical).

    `steps` of Metropolis-Hastings in each of `sweeps`.
    """
    rows = len(x) if x is not None else len(k) if k is not None else 0
    start = model.sample(rows, seed=seed)
    random = torch.Generator(start["k" if x is None else "x"].device).manual_seed(seed)
    given = x
    if k is not None:
        blank = k < 0
        k = torch.where(blank, start["k"], k)
    y = None if x is None else torch.where(x.isnan(), start["x"], model.dequantise(x, random))
    for sweep in range(sweeps):
        if k is not None:
            for place in range(k.shape[1]):
                k = _category(model, y, k, blank[:, place], place, random)
        if given is None or y is None or model.numbers is None:
            continue
        context = model.context_of(k)
        y = _refreshed(model, given, y, context, random)
        known = torch.where(given.isnan(), torch.nan, y)
        if known.isnan().any():
            found = model.numbers.impute(known, context, steps=steps, seed=seed + sweep)
            y = found.draws[0]
        if k is None and not model.whole.any():
            break  # nothing to take turns with
    return {n: v for n, v in (("x", y), ("k", k)) if v is not None}


def _category(
    model: TableFlow,
    y: Tensor | None,
    k: Tensor,
    blank: Tensor,
    place: int,
    random: torch.Generator,
) -> Tensor:
    """The codes with one column drawn anew in the rows where it is blank."""
    rows = blank.nonzero().squeeze(-1)
    if not len(rows):
        return k
    numbers = None if y is None else y[rows]
    scores = []
    for state in range(model.states[place]):
        trial = k[rows].clone()
        trial[:, place] = state
        scores.append(model.log_density(numbers, trial))
    chances = torch.stack(scores, -1).softmax(-1)
    k = k.clone()
    k[rows, place] = torch.multinomial(chances, 1, generator=random).squeeze(-1)
    return k


def _refreshed(
    model: TableFlow, given: Tensor, y: Tensor, context: Tensor | None, random: torch.Generator
) -> Tensor:
    """The noise of known integers moved by a Metropolis step."""
    moved = model.whole & ~given.isnan()
    if model.numbers is None or not moved.any():
        return y
    trial = torch.where(moved, model.dequantise(given, random), y)
    ratio = model.numbers.log_prob(trial, context) - model.numbers.log_prob(y, context)
    uniform = torch.rand(len(y), generator=random, device=y.device, dtype=y.dtype)
    return torch.where((uniform.log() < ratio)[:, None], trial, y)
