"""The history of a training as a DataTree: every metric over steps or epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from probgen.learn.training.loop import Loop
from probgen.learn.training.metrics import MetricsOfEpochs, MetricsOfSteps
from probgen.learn.training.protocol import Learner
from probgen.results.tree import storable

__all__ = ["VALIDATION", "history_tree"]

VALIDATION = "validation_"
"""What the names of metrics of the validation begin with."""


def history_tree(
    steps: MetricsOfSteps,
    epochs: MetricsOfEpochs,
    learner: Learner,
    loop: Loop,
    attrs: Mapping[str, Any],
) -> xr.DataTree:
    """The group `history` with the dimensions `step` (steps done) and `epoch` (epochs done).

    Metrics have the attributes `units`, `long_name` and, where they only watch the training,
    `monitor` = 1. Learning rates that follow a schedule are given at every step of the history.
    """
    numbers, columns = steps.arrays()
    arrays: dict[str, Any] = {}
    for name, values in columns.items():
        arrays[name] = ("step", values, _described(learner, name))
    for player in learner.players:
        rates = [loop.learning_rate(player, int(step) - 1) for step in numbers]
        if rates and rates[0] is not None:
            called = "learning_rate" if len(learner.players) == 1 else f"learning_rate_{player}"
            if called not in arrays:
                words = f"learning rate of the player {player!r}"
                arrays[called] = ("step", np.array(rates), {"long_name": words})
    for name, row in epochs.rows.items():
        arrays[name] = ("epoch", np.array(row), _described(learner, name))
    coords = {"step": numbers, "epoch": np.arange(1, len(epochs) + 1)}
    history = xr.Dataset(arrays, coords)
    history["step"].attrs["long_name"] = "steps done" + (
        f" (means over {steps.window} steps)" if steps.window > 1 else ""
    )
    history["epoch"].attrs["long_name"] = "epochs done"
    tree = xr.DataTree()
    tree.attrs.update({key: storable(value) for key, value in attrs.items()})
    tree.children = {"history": xr.DataTree(history)}
    return tree


def _described(learner: Learner, name: str) -> dict[str, Any]:
    if name == "seconds":
        return {"units": "s", "long_name": "time since the training began, breaks left out"}
    metric = name.removeprefix(VALIDATION)
    monitors: Mapping[str, str] = getattr(learner, "monitors", {})
    words = {**getattr(learner, "describe", {}), **monitors}.get(metric)
    units = getattr(learner, "units", {}).get(metric)
    attrs: dict[str, Any] = {} if units is None else {"units": units}
    if words is not None:
        attrs["long_name"] = words if metric == name else f"{words}; validation data"
    if metric in monitors:
        attrs["monitor"] = 1
    return attrs
