"""Labels that draws are shown by: a class for each, and a row of a picture for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from probgen.learn.draws import draw_rows

__all__ = ["are_labels", "classes_of", "label_of", "placed_at", "rows_by_class"]

_MOST = 30
"""Classes; more whole numbers than that are counts, or numbers of rows."""
_TRIED = 200


def label_of(
    model: nn.Module, rows: Mapping[str, Tensor], drawn: Mapping[str, Tensor], together: bool
) -> str | None:
    """The name of what says the class of each draw; None where nothing does.

    It is a site drawn beside others, of one whole number a row, such as the label "y" of "x"; or
    an argument of such numbers that the program does not draw, and that its draws depend on.
    `drawn` were drawn for `rows`, `together` as `draws_together` said.
    """
    if all(value.dim() == 1 for value in drawn.values()):
        return None
    known = {name: value.detach().cpu().numpy() for name, value in rows.items()}
    for name, value in drawn.items():
        if are_labels(value.detach().cpu().numpy(), known.get(name)):
            return name
    given = [n for n, value in known.items() if n not in drawn and are_labels(value)]
    return next((n for n in given if together and _matters(model, rows, n)), None)


def classes_of(drawn: Any, given: Any = None) -> list[float]:
    """The labels there are, in their order: those drawn, and those of the data but for missing
    ones (-1, NaN)."""
    found = np.unique(np.asarray(drawn, dtype=float))
    if given is not None:
        known = np.unique(np.asarray(given, dtype=float))
        found = np.union1d(found, known[known != -1])
    return [float(label) for label in found[np.isfinite(found)]]


def rows_by_class(labels: Any, classes: Sequence[float], across: int) -> np.ndarray:
    """Numbers of draws, (class, across): the first of each class, -1 where there are no more."""
    labels = np.asarray(labels, dtype=float)
    numbers = np.full((len(classes), across), -1)
    for row, label in zip(numbers, classes, strict=True):
        found = np.flatnonzero(labels == label)[:across]
        row[: len(found)] = found
    return numbers


def placed_at(values: Tensor, numbers: np.ndarray) -> np.ndarray:
    """The draws of these numbers, (place, ...), NaN at places whose number is -1."""
    places = torch.as_tensor(numbers)
    chosen = values[places.clamp(min=0).to(values.device)].detach().cpu().double()
    chosen[places < 0] = torch.nan
    return chosen.numpy()


def are_labels(values: Any, data: Any = None) -> bool:
    """Whether values are a whole number a row, of 2 to 30 different ones with those of `data`."""
    whole = np.ndim(values) == 1 and bool(np.equal(np.round(values), values).all())
    return whole and 2 <= len(classes_of(values, data)) <= _MOST


def _matters(model: nn.Module, rows: Mapping[str, Tensor], name: str) -> bool:
    """Whether draws from one seed change where these values are given in another order."""
    some = {n: value[:_TRIED] for n, value in rows.items()}
    moved = {**some, name: some[name].roll(1, 0)}
    one, other = (draw_rows(model, given, 0, True) for given in (some, moved))
    return any(not torch.equal(value, other[n]) for n, value in one.items())
