"""How a program and its guide are laid out: which sites are rows, and how much each counts.

A program is run on minibatches, and declares one plate for its rows, as long as what it is given:

    with pyro.plate("rows", len(x)):

A plate whose length follows the batch is a plate of rows. A site in it stands for its rows of all
the data, and a site outside, such as a global weight, for itself; so the loss *per row* of a
minibatch of B out of N rows is

    (1 / B) * (sites in plates of rows) + (1 / N) * (all others),

whose gradient has the expectation of the one over all data. A program that counts by itself, by
`pyro.plate("rows", size, subsample=rows)` or `poutine.scale`, is found out from how its scales
follow the length of the batch, and comes to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from probgen.declare.environment import isolated
from probgen.errors import ModelError
from probgen.learn.training.information import DataInfo
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.checks import check_pair
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.run import Collect, Message, Run

__all__ = ["PARTICLES", "Layout", "probe", "rows_of"]

_ROWS = (2, 3)
PARTICLES = "particles_of_the_guide"
"""The plate of several draws of the guide."""
_PYRO_PARTICLES = "num_particles_vectorized"


@dataclass(eq=False)
class Layout:
    """What runs on batches of several lengths tell.

    Attributes
    ----------
    rows: N, of all training data.
    fixed: plates whose length does not follow the batch.
    scaled: the number of rows that the program itself scales a site to, by the site's name.
    nesting: how many dimensions plates take at most.
    run, batch: of two rows, in the mode for evaluation.
    whole: whether every step sees all rows.

    """

    rows: int
    fixed: frozenset[str]
    scaled: dict[str, float]
    nesting: int
    run: Run
    batch: Batch
    whole: bool = False

    def is_row(self, message: Message) -> bool:
        """Whether a site stands in a plate of rows."""
        stack = message["cond_indep_stack"]
        return any(frame.name not in self.fixed for frame in stack)

    def row_dim(self, message: Message) -> int | None:
        """The batch dimension of the rows of a site, counted from the right."""
        for frame in message["cond_indep_stack"]:
            if frame.dim is not None and frame.name not in self.fixed:
                return int(frame.dim)
        return None

    def weight(self, message: Message, rows: int) -> float:
        """What a site's log density, scaled by the program, counts in the loss per row."""
        if not self.is_row(message):
            return 1 / self.rows
        own = self.scaled.get(message["name"])
        return 1 / rows if own is None else 1 / own


def rows_of(batch: dict[str, Any]) -> int:
    """Rows of a minibatch; data that are no rows say how many they stand for (`rows`)."""
    own = getattr(batch, "rows", None)
    return len(next(iter(batch.values()))) if own is None else int(own)


def probe(pair: Pair, info: DataInfo) -> Layout:
    """Run guide and program on a few rows, check them, and see what follows the rows.

    Raises `ModelError` where guide and program do not fit, or a site has rows and no plate.
    """
    whole = info.sample(max(*_ROWS, info.batch_size))
    runs: dict[int, Run] = {}
    with pair.evaluating(), isolated(0), torch.no_grad():
        for rows in dict.fromkeys([*_ROWS, rows_of(whole)]):
            batch = {name: value[:rows] for name, value in whole.items()}
            if not runs:
                alone = pair.run_model(batch, Collect())
                check_pair(alone.sites, pair.run_guide(batch, Collect()).sites, pair.named)
            runs[rows] = pair.run(batch)
    sizes = _plate_sizes(runs)
    fixed = {name for name, found in sizes.items() if len(found) == 1 and None not in found}
    first = runs[_ROWS[0]]
    dims = [f.dim for m in _messages(first) for f in m["cond_indep_stack"] if f.dim is not None]
    fixed |= {PARTICLES, _PYRO_PARTICLES}
    batch = {name: value[: _ROWS[0]] for name, value in whole.items()}
    layout = Layout(info.rows, frozenset(fixed), {}, -min(dims, default=0), first, batch)
    layout.whole = info.batch_size >= info.rows
    layout.scaled = _own_scales(runs, layout)
    if not layout.whole:
        _check_plates(runs, layout)
    return layout


def _messages(run: Run) -> list[Message]:
    return [*run.guide.values(), *run.model.values()]


def _plate_sizes(runs: dict[int, Run]) -> dict[str, set[int | None]]:
    """Lengths of every plate over the runs; None for a run that lacks it."""
    found = [
        {f.name: f.size for m in _messages(run) for f in m["cond_indep_stack"]}
        for run in runs.values()
    ]
    names = {name for sizes in found for name in sizes}
    return {name: {sizes.get(name) for sizes in found} for name in names}


def _own_scales(runs: dict[int, Run], layout: Layout) -> dict[str, float]:
    """Rows that the program's scale and the length of the batch multiply to, where they do."""
    found: dict[str, list[tuple[int, float]]] = {}
    for rows, run in runs.items():
        for message in _messages(run):
            scale = message["scale"]
            if layout.is_row(message) and not getattr(scale, "shape", ()):
                found.setdefault(message["name"], []).append((rows, float(scale)))
    scaled = {}
    for name, pairs in found.items():
        totals = {round(rows * scale, 6) for rows, scale in pairs}
        if len({scale for _, scale in pairs}) > 1 and len(totals) == 1:
            scaled[name] = totals.pop()
    return scaled


def _check_plates(runs: dict[int, Run], layout: Layout) -> None:
    """Raise `ModelError` for a site that follows the rows outside their plate."""
    shapes: dict[str, set[Any]] = {}
    for run in runs.values():
        for message in _messages(run):
            if not layout.is_row(message):
                value = tuple(getattr(message["value"], "shape", ()))
                shape = (tuple(message["fn"].batch_shape), value)
                shapes.setdefault(message["name"], set()).add(shape)
    for name, found in shapes.items():
        if len(found) > 1:
            raise ModelError(
                f"The site {name!r} follows the rows of the data, and stands in no plate, so that "
                "a minibatch cannot be told from all data: put it into `with pyro.plate('rows', "
                "len(x)):`, or train on all rows at once (batch_size)."
            )
