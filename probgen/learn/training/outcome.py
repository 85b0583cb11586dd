"""What a training has come to: model, averaged model, history, summary."""

from __future__ import annotations

from typing import Any

from probgen.learn.program_fit import ProgramFit
from probgen.learn.training.averages import averaged_model
from probgen.learn.training.history import history_tree
from probgen.learn.training.metrics import last_known
from probgen.learn.training.train import Training
from probgen.learn.training.watching import WATCHED
from probgen.results.attributes import run_attributes

__all__ = ["outcome"]

_PACKAGES = ("torch", "pyro-ppl", "lightning-fabric", "numpy")


def outcome(training: Training, method: Any) -> ProgramFit:
    """The fit that a training is at the moment, over or broken off."""
    loop, options = training.loop, training.options
    latest = {
        f"last_{name}": last_known(values) for name, values in training.steps.arrays()[1].items()
    }
    notes = list(getattr(training.learner, "notes", ()))
    if training.stopped == "interrupted":
        notes.append(f"Interrupted after {loop.clock} of {loop.total} steps.")
    if training.stopping is not None and training.stopped == "patience":
        best = training.stopping.best_epoch
        notes.append(f"Stopped by patience; the weights are those of epoch {best}.")
    watching = training.watching
    watched = {} if watching is None else watching.latest
    notes += [] if watching is None else watching.notes
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
        **{f"last_{WATCHED}{name}": value for name, value in watched.items()},
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
    if watching is not None:
        watching.put_into(tree)
    parts = getattr(training.learner, "parts", {})
    return ProgramFit(training.model, tree, averaged_model(training), summary, dict(parts))
