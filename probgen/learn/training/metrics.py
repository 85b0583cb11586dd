"""The metrics of a training: gathered without waiting for the device, kept in bounded memory.

Tensors that a step hands over are read together, a few times a second. A row of the history
stands for one step, or for the mean over a window of steps where a training has very many.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.learn.training.place import Place
from probgen.learn.training.protocol import Metrics

__all__ = ["MetricsOfEpochs", "MetricsOfSteps", "last_known", "window_of"]

_MOST_ROWS = 20_000


def window_of(total: int) -> int:
    """Steps that one row of the history stands for."""
    return -(-total // _MOST_ROWS)


class MetricsOfSteps:
    """Rows of metrics over steps; a metric that a step lacks is NaN there."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.rows: dict[str, list[float]] = {}
        self.latest: dict[str, float] = {}
        self._pending: list[Metrics] = []
        self._open: dict[str, list[float]] = {}  # the window that is not full yet
        self._steps = 0  # read so far

    def add(self, metrics: Metrics) -> None:
        """Note what one step returned; nothing is read yet."""
        self._pending.append(
            {
                n: v.detach() if isinstance(v, Tensor) and v.requires_grad else v
                for n, v in metrics.items()
            }
        )

    def read(self, place: Place, monitors: Container[str] = ()) -> tuple[int, str] | None:
        """Read what was noted, means over the processes.

        Returns the first step (from 1) with a metric that is not finite, and its name; `monitors`
        may be what they like.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return None
        names = dict.fromkeys(name for metrics in pending for name in metrics)
        columns = {name: _column([metrics.get(name) for metrics in pending]) for name in names}
        columns = _averaged(columns, place)
        self.latest.update({name: last_known(column) for name, column in columns.items()})
        bad = _first_bad(columns, pending, monitors)
        self._put(columns, len(pending))
        return None if bad is None else (self._steps - len(pending) + bad[0] + 1, bad[1])

    def _put(self, columns: Mapping[str, np.ndarray], count: int) -> None:
        """Put `count` more steps into rows."""
        if self.window == 1:
            before = max((len(values) for values in self.rows.values()), default=0)
            for name in {**self.rows, **columns}:
                row = self.rows.setdefault(name, [float("nan")] * before)
                row.extend(columns[name].tolist() if name in columns else [float("nan")] * count)
            self._steps += count
            return
        start = 0
        while start < count:
            room = self.window - self._steps % self.window
            stop = min(start + room, count)
            for name, column in columns.items():
                self._open.setdefault(name, []).extend(column[start:stop].tolist())
            self._steps += stop - start
            if self._steps % self.window == 0:
                self._close()
            start = stop

    def _close(self) -> None:
        before = max((len(values) for values in self.rows.values()), default=0)
        for name in {**self.rows, **self._open}:
            values = np.array(self._open.get(name, [np.nan]))
            known = values[~np.isnan(values)]
            row = self.rows.setdefault(name, [float("nan")] * before)
            row.append(float(known.mean()) if len(known) else float("nan"))
        self._open = {}

    def arrays(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Steps (the last of every window, from 1) and values by name, the open window too."""
        full = max((len(values) for values in self.rows.values()), default=0)
        steps = [self.window * (row + 1) for row in range(full)]
        columns = {name: list(values) for name, values in self.rows.items()}
        if self._open:
            steps.append(self._steps)
            for name in {**columns, **self._open}:
                values = np.array(self._open.get(name, [np.nan]))
                known = values[~np.isnan(values)]
                mean = float(known.mean()) if len(known) else float("nan")
                columns.setdefault(name, [float("nan")] * full).append(mean)
        return np.array(steps, dtype=np.int64), {n: np.array(v) for n, v in columns.items()}

    def state(self) -> dict[str, Any]:
        """For the checkpoint; `read` first."""
        rows = {name: np.array(values) for name, values in self.rows.items()}
        opened = {name: np.array(values) for name, values in self._open.items()}
        return {"steps": self._steps, "window": self.window, "rows": rows, "open": opened}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._steps, self.window = int(state["steps"]), int(state["window"])
        self.rows = {name: values.tolist() for name, values in state["rows"].items()}
        self._open = {name: values.tolist() for name, values in state["open"].items()}


class MetricsOfEpochs:
    """Rows of metrics over epochs: those of the validation, and seconds."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """The row of one more epoch."""
        before = len(self)
        for name in {**self.rows, **values}:
            row = self.rows.setdefault(name, [float("nan")] * before)
            row.append(float(values.get(name, float("nan"))))

    def __len__(self) -> int:
        return max((len(values) for values in self.rows.values()), default=0)


def _column(values: list[Any]) -> np.ndarray:
    """One metric of several steps, read from the device at once."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    if not tensors:
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    if any(tensor.numel() != 1 for tensor in tensors):
        wrong = next(tensor for tensor in tensors if tensor.numel() != 1)
        raise ModelError(
            f"A metric is a tensor of shape {tuple(wrong.shape)}: metrics of a step are numbers, "
            "such as its mean."
        )
    scalars = torch.stack([tensor.reshape(()) if tensor.dim() else tensor for tensor in tensors])
    read = iter(scalars.double().cpu().tolist())
    numbers = [next(read) if isinstance(value, Tensor) else value for value in values]
    return np.array([np.nan if number is None else number for number in numbers], dtype=float)


def last_known(column: np.ndarray) -> float:
    """The last entry of the steps that have the metric."""
    known = column[~np.isnan(column)]
    return float(known[-1] if len(known) else column[-1])


def _averaged(columns: dict[str, np.ndarray], place: Place) -> dict[str, np.ndarray]:
    if place.world == 1:
        return columns
    names = sorted(columns)  # one order in all processes
    whole = place.total(np.stack([columns[name] for name in names])) / place.world
    return {**columns, **dict(zip(names, whole, strict=True))}


def _first_bad(
    columns: Mapping[str, np.ndarray], pending: list[Metrics], monitors: Container[str]
) -> tuple[int, str] | None:
    """The first of the pending steps with a value that is not finite, and the metric."""
    found = None
    for name, column in columns.items():
        for step in np.flatnonzero(~np.isfinite(column)):
            if (
                name in pending[step]
                and name not in monitors
                and (found is None or step < found[0])
            ):
                found = (int(step), name)
                break
    return found
