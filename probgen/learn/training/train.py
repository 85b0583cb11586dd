"""The training loop: steps, epochs, validation, checkpoints, and everything that can stop it.

What costs time is done a few times a second, not in every step: reading metrics from the device,
looking for numbers that are not finite, showing progress, deciding on a checkpoint. Processes
that train together do this at the same steps, since they decide together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from probgen.learn.training.checkpoint import cloned, load_weights, state_of, weights_of
from probgen.learn.training.domain import Domain
from probgen.learn.training.guard import Guard
from probgen.learn.training.history import VALIDATION
from probgen.learn.training.interrupts import Interrupt, noted_interrupts
from probgen.learn.training.loader import Loader
from probgen.learn.training.loop import Loop
from probgen.learn.training.metrics import MetricsOfEpochs, MetricsOfSteps, window_of
from probgen.learn.training.options import TrainingOptions
from probgen.learn.training.protocol import Batch, Learner
from probgen.learn.training.stopping import Stopping
from probgen.learn.training.store import TrainingStore
from probgen.learn.training.threads import training_threads
from probgen.learn.training.validation import validate
from probgen.learn.training.watching import Watching
from probgen.learn.unvalidated import unvalidated
from probgen.nets.threads import torch_threads

__all__ = ["Training"]

_KEPT = " {} keeps the checkpoint of step {}."
_LOOK = 0.25  # seconds between looks at metrics and parameters
_LOOK_STEPS = 20  # steps between them where processes look together


@dataclass(eq=False)
class Training:
    """A training in flight: all that one step depends on, and what it leaves behind."""

    model: nn.Module
    learner: Learner
    loop: Loop
    loader: Loader
    options: TrainingOptions
    domain: Domain
    validation: Loader | None = None
    stopping: Stopping | None = None
    watching: Watching | None = None
    show: Callable[[int, int, str], None] = lambda done, total, detail: None
    stopped: str = ""
    """Why it ended: "epochs", "patience", "interrupted" or "diverged"."""
    seconds: float = 0.0
    epochs: MetricsOfEpochs = field(default_factory=MetricsOfEpochs)
    steps: MetricsOfSteps = field(init=False)
    store: TrainingStore | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Begin at step 0."""
        self.steps = MetricsOfSteps(window_of(self.loop.total))

    def run(self, store: TrainingStore | None = None) -> None:
        """Train to the end, to the end of patience, or until Ctrl-C.

        Raises `TrainingError` when metrics or parameters are no longer finite, with the weights
        put back to the last good ones.
        """
        self.store, now = store, time.monotonic()
        self._begun, self._looked, self._saved = now - self.seconds, now, now
        self._saved_step = self._shown_step = self.loop.clock
        self._guard = Guard(self.model, self.learner, self.loop, self.steps)
        if store is not None and self.loop.clock:
            self._guard.kept = _KEPT.format(store.path, self.loop.clock)
        if not self.loop.clock:
            self._save()
        threads = training_threads(self.learner, self.options, self.loop.world)
        checks = nullcontext() if getattr(self.learner, "validated", True) else unvalidated()
        with torch_threads(threads), checks, noted_interrupts() as interrupt:
            try:
                while self.loop.clock < self.loop.total and not self.stopped:
                    self._epoch(interrupt)
                self._guard.check()
            except (ValueError, RuntimeError) as error:
                self.stopped = "diverged"
                self._guard.explain(error)
                raise
            finally:
                self.seconds = time.monotonic() - self._begun
        self.stopped = self.stopped or "epochs"
        if self.stopped == "patience" and self.stopping is not None and self.stopping.weights:
            load_weights(self.model, self.learner, self.stopping.weights)
        self._save(finished=self.stopped != "interrupted")

    def _epoch(self, interrupt: Interrupt) -> None:
        """The rest of the epoch that the clock stands in."""
        loop, loader, step, add = self.loop, self.loader, self.learner.step, self.steps.add
        watching = self.watching
        alone, autocast, every = loop.world == 1, loop.autocast, self.options.checkpoint_steps
        number, position = divmod(loop.clock, loader.steps)
        check = self._check_rows if loader.rows.lazy and not number else None
        for batch, share, rows in loader.epoch(number, position, check):
            loop.begin_step(share, rows)
            with autocast():
                add(step(batch, loop))
            loop.end_step()
            if watching is not None and watching.due(loop.clock):
                watching.look(self)
            if loop.clock % loader.steps == 0:
                self._end_epoch(number + 1)
            if alone:
                now = time.monotonic()
                due = every is not None and loop.clock - self._saved_step >= every
                if due or interrupt.came or now - self._looked >= _LOOK:
                    self._look(now, interrupt.came)
            elif loop.clock % _LOOK_STEPS == 0:
                self._look(time.monotonic(), interrupt.came)
            if self.stopped:
                return

    def _check_rows(self, raw: Batch, numbers: Tensor) -> None:
        self.domain.check(raw, numbers, self.loader.rows, self.loop.device)

    def _end_epoch(self, epoch: int) -> None:
        """Validation, and whether patience is over. `epoch` counts from 1."""
        metrics = {}
        if self.validation is not None:
            metrics = validate(self.learner, self.loop, self.validation)
        self.seconds = time.monotonic() - self._begun
        named = {VALIDATION + name: value for name, value in metrics.items()}
        self.epochs.add({**named, "seconds": self.seconds})
        if self.stopping is None:
            return
        if self.stopping.better(epoch, metrics):
            self.stopping.weights = cloned(weights_of(self.model, self.learner))
        elif self.stopping.over(epoch):
            self.stopped = "patience"

    def _look(self, now: float, interrupted: bool) -> None:
        """Look for divergence, show progress, write a checkpoint when it is time."""
        every = self.options.checkpoint_steps
        due = every is not None and self.loop.clock - self._saved_step >= every
        due = due or now - self._saved >= self.options.checkpoint_seconds
        self._guard.check()
        flags = self.loop.place.largest(np.array([interrupted, due], dtype=float))
        if self.stopped:
            return
        if flags[0]:
            self.stopped = "interrupted"
        elif flags[1]:
            self._save()
        self._show(now)
        self._looked = now

    def _show(self, now: float) -> None:
        loop = self.loop
        told = [f"epoch {math.ceil(loop.epoch)}/{self.options.epochs}"]
        watched = getattr(self.learner, "monitors", {})  # losses are told before these
        known = sorted(self.steps.latest.items(), key=lambda metric: metric[0] in watched)
        told += [f"{name} {value:.4g}" for name, value in known[:3]]
        validated = [(n, v[-1]) for n, v in self.epochs.rows.items() if n.startswith(VALIDATION)]
        told += [f"{name} {value:.4g}" for name, value in validated[:1]]
        told += [] if self.watching is None else self.watching.told
        rate = (loop.clock - self._shown_step) / max(now - self._looked, 1e-9)
        self._shown_step = loop.clock
        self.show(loop.clock, loop.total, ", ".join([*told, f"{rate:.3g} steps/s"]))

    def _save(self, finished: bool = False) -> None:
        """Write a checkpoint, if there is a store; never one of a training that diverges."""
        if self.store is None:
            return
        self._guard.check()
        self.seconds = time.monotonic() - self._begun
        self.store.write(self.loop.clock, state_of(self), finished)
        self._saved, self._saved_step = time.monotonic(), self.loop.clock
        self._guard.kept = _KEPT.format(self.store.path, self._saved_step)
