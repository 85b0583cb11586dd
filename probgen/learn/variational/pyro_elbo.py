"""Pyro's own ELBOs as estimators: gradients for draws that have none, sums over discrete sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro import infer
from pyro.poutine.messenger import Messenger
from torch import Tensor

from probgen.learn.training.protocol import Batch
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.pair import Pair

__all__ = ["LOSSES", "PyroELBO", "Weigh"]

LOSSES: dict[str, Callable[..., Any]] = {
    "trace": infer.Trace_ELBO,
    "mean_field": infer.TraceMeanField_ELBO,
    "graph": infer.TraceGraph_ELBO,
    "enum": infer.TraceEnum_ELBO,
}
_MARK = "parameters_are_trained"  # without a `pyro.param` Pyro would take no gradient


class Weigh(Messenger):
    """Scales every site to what it counts in the loss per row."""

    def __init__(self, layout: Layout, rows: int, kl_weight: float) -> None:
        super().__init__()
        self._layout, self._rows, self._kl = layout, rows, kl_weight

    def _pyro_sample(self, msg: Any) -> None:
        if type(msg["fn"]).__name__ == "_Subsample":
            return
        weight = self._layout.weight(msg, self._rows)
        if not msg["is_observed"]:
            weight *= self._kl
        msg["scale"] = msg["scale"] * weight


class PyroELBO(Estimator):
    """One of Pyro's ELBOs, by its kind."""

    describe = {"loss": "negative ELBO per row"}  # noqa: RUF012

    def __init__(self, pair: Pair, layout: Layout, particles: int, kind: str) -> None:
        super().__init__(pair, layout)
        self.label = kind
        self._elbo = LOSSES[kind](num_particles=particles, max_plate_nesting=layout.nesting)

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """The loss, which cannot be differentiated: `backward` does."""
        return self._run(self._elbo.loss, batch, kl_weight)

    def backward(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """The loss, and its gradient added to the parameters."""
        return self._run(self._elbo.loss_and_grads, batch, kl_weight)

    def _run(
        self, evaluate: Callable[..., Any], batch: Batch, kl_weight: float
    ) -> dict[str, Tensor]:
        with self.pair.stored(always=True), Weigh(self.layout, rows_of(batch), kl_weight):
            loss = evaluate(self._model, self.pair.call_guide, **batch)
        return {"loss": torch.as_tensor(loss, dtype=torch.float64).detach()}

    def _model(self, **batch: Tensor) -> Any:
        pyro.param(_MARK, torch.zeros(()))
        return self.pair.call_model(**batch)
