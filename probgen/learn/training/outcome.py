"""What a training has come to: model, averaged model, history, summary."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from probgen.learn.program_fit import ProgramFit
from probgen.learn.training.history import history_tree
from probgen.learn.training.train import Training
from probgen.results.attributes import run_attributes

__all__ = ["outcome"]

_PACKAGES = ("torch", "pyro-ppl", "lightning-fabric", "numpy")


def outcome(training: Training, method: Any) -> ProgramFit:
    """The fit that a training is at the moment, over or broken off."""
    loop, options = training.loop, training.options
    latest = {
        f"last_{name}": float(values[-1]) for name, values in training.steps.arrays()[1].items()
    }
    notes = list(getattr(training.learner, "notes", ()))
    if training.stopped == "interrupted":
        notes.append(f"Interrupted after {loop.clock} of {loop.total} steps.")
    if training.stopping is not None and training.stopped == "patience":
        best = training.stopping.best_epoch
        notes.append(f"Stopped by patience; the weights are those of epoch {best}.")
    summary: dict[str, Any] = {
        "method": method.name,
        "rows": len(training.loader.rows),
        "steps": loop.clock,
        "epochs": loop.epoch,
        "batch_size": options.batch_size,
        "seconds": training.seconds,
        "stopped": training.stopped,
        "interrupted": training.stopped == "interrupted",
        **latest,
        **{f"last_{n}": v[-1] for n, v in training.epochs.rows.items() if n != "seconds"},
        **getattr(training.learner, "summary", {}),
        "notes": notes,
    }
    attrs = run_attributes(type(training.model).__name__, method, options.seed, _PACKAGES)
    chosen = {
        "precision": options.precision or "",
        "device": str(loop.device),
        "processes": loop.world,
    }
    tree = history_tree(
        training.steps, training.epochs, training.learner, loop, {**attrs, **chosen, **summary}
    )
    parts = getattr(training.learner, "parts", {})
    return ProgramFit(training.model, tree, _averaged(training), summary, dict(parts))


def _averaged(training: Training) -> nn.Module | None:
    """A copy of the model with averaged weights in the place of those that players change."""
    if not training.loop.averages:
        return None
    model = copy.deepcopy(training.model)
    own = {id(p): q for p, q in zip(training.model.parameters(), model.parameters(), strict=True)}
    with torch.no_grad():
        for name, average in training.loop.averages.items():
            module = training.learner.players[name].module
            for p, q in zip(module.parameters(), average.module.parameters(), strict=True):
                if id(p) in own:
                    own[id(p)].copy_(q)
    return model
