"""Looks at a training's draws: kept, measured, written as pictures, judged for collapse.

A look leaves the training as it was: weights, modes of modules, and random generators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from probgen.errors import ModelError, OptionError
from probgen.learn.draws import draw_rows, draws_together
from probgen.learn.labels import classes_of, label_of, placed_at, rows_by_class
from probgen.learn.training.averages import averaged_model
from probgen.learn.training.generators import put_back
from probgen.learn.training.protocol import Batch
from probgen.learn.training.rows import Rows
from probgen.learn.training.watch import Watch
from probgen.learn.training.watch_files import write_pictures
from probgen.learn.training.watch_yardstick import Yardstick, occupied_modes

if TYPE_CHECKING:
    from probgen.learn.training.train import Training

__all__ = ["WATCHED", "Watching"]

WATCHED = "watched_"
"""What the names of watched numbers begin with in the history."""
_MOST_KEPT, _MOST_BYTES = 100, 64 << 20
"""Looks whose draws are kept, and what they may take, though ten are kept in any case."""
_ABOUT = {
    "spread": "sum of the variances of all entries of the draws, relative to the data's",
    "coverage": "share of the data nearer to a draw than to their fifth neighbour among the data",
    "modes": "modes with draws",
}


class Watching:
    """What was seen so far.

    Attributes
    ----------
    steps: of every look.
    numbers: by name, one for every look; NaN where a look has none.
    kept: steps of the looks whose draws are kept; `samples` are these, by site.
    collapsed: the step at which a number was first found to have fallen, by name.
    notes: sentences about them.

    """

    def __init__(self, watch: Watch, rows: Rows, steps_per_epoch: int, total: int) -> None:
        self.watch, self.total = watch, total
        self.steps_per_epoch = steps_per_epoch
        self.steps: list[int] = []
        self.numbers: dict[str, list[float]] = {}
        self.kept: list[int] = []
        self.samples: dict[str, list[np.ndarray]] = {}
        self.collapsed: dict[str, int] = {}
        self.notes: list[str] = []
        self._between = watch.steps_between(steps_per_epoch, total)
        self._stride = 1
        self._batch = _chosen(rows, max(watch.judged, watch.samples))
        self._yardsticks: dict[str, Yardstick] | None = None
        self._together = True
        self._label: str | None = None

    def due(self, clock: int) -> bool:
        """Whether to look after so many steps."""
        return clock % self._between == 0 or clock == self.total

    def look(self, training: Training) -> None:
        """Draw, measure, keep, write. Raises `OptionError` where the program cannot be drawn."""
        clock, device = training.loop.clock, training.loop.device
        batch = {name: value.to(device) for name, value in self._batch.items()}
        model = averaged_model(training) or training.model
        with put_back(), training.loop.autocast():
            draws = self._draws(model, batch, clock)
            found = self._measure(draws)
        if self._label is not None and self._label not in draws:  # the draws were given it
            draws = {**draws, self._label: batch[self._label]}
        for name in {**self.numbers, **found}:
            row = self.numbers.setdefault(name, [float("nan")] * len(self.steps))
            row.append(found.get(name, float("nan")))
        self.steps.append(clock)
        shown = {n: v[: self.watch.samples].cpu().numpy() for n, v in draws.items()}
        self._keep(clock, shown)
        self._judge(clock)
        if training.store is not None:
            data = {name: self._batch[name].cpu().numpy() for name in shown if name in self._batch}
            across = 0
            if self._label is not None:
                labels = draws[self._label].cpu()
                classes = classes_of(labels, data.get(self._label))
                across = max(1, self.watch.samples // len(classes))
                numbers = rows_by_class(labels, classes, across).ravel()
                shown = {name: placed_at(values, numbers) for name, values in draws.items()}
            write_pictures(training.store.path, clock, model, shown, data, across)

    @property
    def latest(self) -> dict[str, float]:
        """The numbers of the last look."""
        return {name: values[-1] for name, values in self.numbers.items()}

    @property
    def told(self) -> list[str]:
        """For the progress line: what was asked for first, and a collapse."""
        usual = [n for n in self.latest if n.partition("_")[0] in _ABOUT]
        names = [n for n in self.latest if n not in usual] + usual
        words = [f"{name} {self.latest[name]:.3g}" for name in names[:2]]
        return words + [f"COLLAPSE of {n} at step {s}" for n, s in self.collapsed.items()][:1]

    def _draws(self, model: nn.Module, batch: Batch, clock: int) -> dict[str, Tensor]:
        seed, first = self.watch.seed * 1_000_003 + clock, self._yardsticks is None
        if first:
            self._together = draws_together(model, batch)
        try:
            found = draw_rows(model, batch, seed, self._together)
        except (ModelError, ValueError, RuntimeError, KeyError, TypeError) as error:
            if not first:  # it could be drawn: what has come of it is not for a look to explain
                raise
            raise OptionError(
                f"watch={self.watch!r}: no draws of {type(model).__name__} can be made ({error}). "
                "Leave it out, watch=False."
            ) from error
        draws = {n: v.float() if v.is_floating_point() else v for n, v in found.items()}
        if first:
            self._yardsticks = {
                n: Yardstick(batch[n]) for n, v in draws.items() if n in batch and _is_measured(v)
            }
            self._label = label_of(model, batch, draws, self._together)
        return draws

    def _measure(self, draws: Mapping[str, Tensor]) -> dict[str, float]:
        sticks = self._yardsticks or {}
        found: dict[str, float] = {}
        for site, stick in sticks.items():
            ending = f"_{site}" if len(sticks) > 1 else ""
            found |= {f"{n}{ending}": v for n, v in stick.measure(draws[site]).items()}
        seen: Any = draws if len(draws) > 1 else next(iter(draws.values()))
        if self.watch.modes is not None:
            chosen = next(iter(sticks or draws))
            found["modes"] = float(occupied_modes(draws[chosen], self.watch.modes))
        if self.watch.metric is not None:
            told = self.watch.metric(seen)
            name = getattr(self.watch.metric, "__name__", "metric").strip("<>")
            told = told if isinstance(told, Mapping) else {name: told}
            found |= {str(n): float(v) for n, v in told.items()}
        return found

    def _keep(self, clock: int, shown: Mapping[str, np.ndarray]) -> None:
        """Keep the draws of a look, thinned so that there are never too many."""
        if (len(self.steps) - 1) % self._stride and clock != self.total:
            return
        self.kept.append(clock)
        for name, values in shown.items():
            self.samples.setdefault(name, []).append(values)
        most = _MOST_BYTES // max(sum(values.nbytes for values in shown.values()), 1)
        if len(self.kept) > max(10, min(_MOST_KEPT, most)):
            self._stride *= 2
            self.kept = self.kept[::2]
            self.samples = {name: values[::2] for name, values in self.samples.items()}

    def _judge(self, clock: int) -> None:
        """Note what has fallen, once for every number."""
        share = self.watch.collapse
        for name, values in self.numbers.items():
            kind = name.partition("_")[0]
            if kind not in _ABOUT or name in self.collapsed or not share:
                continue
            value, best = values[-1], np.nanmax([*values, 0.0])
            whole = 1.0 if kind != "modes" else best
            fell = best >= share * whole and value < share * min(best, whole)
            never = kind == "spread" and clock == self.total and value < share
            if fell or never:
                self.collapsed[name] = clock
                what = "collapsed" if fell else "have hardly spread (or collapsed early)"
                against = f"best so far, {best:.3g}" if fell else "data's"
                self.notes.append(
                    f"The draws {what}: at step {clock} their {name.replace('_', ' of ')} was "
                    f"{value:.3g}, below {share:g} times the {against}. Look at the samples; "
                    "train longer, lower the learning rate, or regularise the critic where there "
                    "is one."
                )

    # What a checkpoint and the tree of a fit hold.

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        numbers = {name: np.array(values) for name, values in self.numbers.items()}
        samples = {name: np.stack(values) for name, values in self.samples.items()}
        names = ("steps", "kept", "collapsed", "notes")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "numbers": numbers, "samples": samples, "stride": self._stride}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.steps, self.kept = list(state["steps"]), list(state["kept"])
        self.collapsed, self.notes = dict(state["collapsed"]), list(state["notes"])
        self._stride = int(state["stride"])
        self.numbers = {n: v.tolist() for n, v in state["numbers"].items()}
        self.samples = {n: list(v.numpy()) for n, v in state["samples"].items()}

    def put_into(self, tree: xr.DataTree) -> None:
        """Add the numbers to the group `history`, dimension `look`, and the group `watched`."""
        if not self.steps:
            return
        about = {"long_name": "steps done"}
        looks = xr.Variable("look", np.array(self.steps), about)
        metrics = {
            f"{WATCHED}{name}": ("look", np.array(values), _described(name))
            for name, values in self.numbers.items()
        }
        history = tree["history"].to_dataset().assign_coords(look=looks).assign(metrics)
        samples: dict[str, Any] = {}
        for site, values in self.samples.items():
            stacked = np.stack(values)
            dims = ("look", "sample", *(f"{site}_dim_{d}" for d in range(stacked.ndim - 2)))
            samples[site] = (dims, stacked, {"long_name": "draws of the program in training"})
        epochs = np.array(self.kept) / self.steps_per_epoch
        coords: Any = {"look": ("look", np.array(self.kept), about), "epoch": ("look", epochs)}
        watched = xr.Dataset(samples, coords)
        tree.children = {"history": xr.DataTree(history), "watched": xr.DataTree(watched)}


def _chosen(rows: Rows, count: int) -> Batch:
    """Rows at random, the same ones at every look; each once while they last."""
    random = torch.Generator().manual_seed(0)
    order = torch.randperm(len(rows), generator=random)
    return rows.take(order[torch.arange(count) % len(rows)])


def _is_measured(draws: Tensor) -> bool:
    """Whether variances of a site's draws mean something: labels have none."""
    return draws.is_floating_point() or draws.dim() > 1


def _described(name: str) -> dict[str, str]:
    kind, _, site = name.partition("_")
    words = _ABOUT.get(kind, f"{name}, of draws in training")
    return {"long_name": words + (f"; site {site}" if kind in _ABOUT and site else "")}
