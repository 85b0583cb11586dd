"""The cases that a fit was trained on, and those held out, as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probgen.errors import DataError
from probgen.inference.fit_modules import declared
from probgen.learn.program_fit import ProgramFit
from probgen.learn.training.loader import split_rows
from probgen.learn.training.probe import arguments_of, prior_shapes
from probgen.learn.training.rows import Rows
from probgen.learn.training.source import read_rows

__all__ = ["Cases", "cases_of"]

MOST_CASES = 2000
"""Of training, and of held-out ones; of more, so many evenly spread ones are looked at."""

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Cases:
    """Values by site, (case, ...), of training and of held-out cases, and how many there were.

    `held_out` is empty where nothing was held out.
    """

    training: Values
    held_out: Values
    trained: int
    kept_back: int

    @property
    def judged(self) -> Values:
        """The held-out cases where there are any, else those of the training."""
        return self.held_out or self.training


def cases_of(fitted: ProgramFit, data: Any, validation: Any) -> Cases | None:
    """The cases of `fit(..., data=data, validation=validation)`; None where data are not known.

    Data of the model's own file stand in for None, if they have as many rows as were trained on.
    Raises `DataError` for data that cannot be read, or have another number of rows.
    """
    own = data is None
    data = _own_data(fitted.model) if own else data
    if data is None:
        return None
    names, shapes = arguments_of(fitted.model), prior_shapes(fitted.model)
    whole, kept = read_rows(data, names, shapes), None
    if isinstance(validation, float):
        whole, kept = split_rows(whole, validation, int(fitted.tree.attrs["seed"]))
    elif validation is not None:
        kept = read_rows(validation, names, shapes)
    trained = fitted.tree.attrs.get("rows", len(whole))
    if len(whole) != trained:
        if own:
            return None
        raise DataError(
            f"{trained} rows were trained on, and these are {len(whole)}: give data= and "
            "validation= as they were given to `fit`."
        )
    held_out = {} if kept is None else _some(kept)
    return Cases(_some(whole), held_out, len(whole), 0 if kept is None else len(kept))


def _some(rows: Rows) -> Values:
    count = min(len(rows), MOST_CASES)
    return rows.take(torch.arange(count) * len(rows) // count)


def _own_data(model: Any) -> Any:
    """What the file of a model declares beside it, where it is one."""
    found = declared(model, "data")
    found = found() if callable(found) else found
    return found if isinstance(found, Mapping) else None
