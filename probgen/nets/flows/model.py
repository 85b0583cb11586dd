"""A flow as a model of the rows of a table: a Pyro program with an exact density.

    x_row ~ flow( . | c_row),  independent rows

Data are preconditioned (standardised, and a logit where they are bounded) inside the model, so
that densities are those of the data as they are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pyro
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.errors import DataError
from probgen.nets.flows.factory import build_flow
from probgen.nets.flows.imputation import Imputed, impute_rows
from probgen.nets.flows.law import FlowLaw, unvalidated
from probgen.nets.flows.preconditioning import Preconditioner, Standardise

__all__ = ["FlowModel"]

_REFERENCE = 4000  # draws of the model that the proposals of imputation are made from
_WIDEST = 20.0  # standard deviations


class FlowModel(PyroModule):
    """Rows x, (row, features), given rows of context c, (row, context), if there is one.

    Args:
        kind: of the flow, see `build_flow`.
        features, context: columns of x and of c.
        before: maps of the data ahead of the standardisation, such as `Logit(0, 1)`.
        seed: of the first weights.
        settings: of `build_flow`.

    """

    discrete = False
    exact = True
    """Whether `log_prob` is the log density itself, not a bound on it."""

    def __init__(
        self,
        kind: str = "nsf",
        features: int = 2,
        *,
        context: int = 0,
        before: Sequence[Preconditioner] = (),
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.kind, self.features, self.context = kind, features, context
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.flow = build_flow(kind, features, context=context, **settings)
        self.before = nn.ModuleList([*before, Standardise(features)])  # type: ignore[list-item]
        self.context_scale = Standardise(context) if context else None

    @property
    def data_sites(self) -> list[str]:
        """Arguments that are data."""
        return ["x", "c"] if self.context else ["x"]

    @property
    def support(self) -> Any:
        """Of a row."""
        first: Any = self.before[0]
        return first.support

    def forward(self, x: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """The program: rows in a plate, observed where x is given."""
        rows = next((len(v) for v in (x, c) if v is not None), 1)
        weight = self._first_weight()  # which also tells Pyro of the parameters
        if self.context and c is None:
            c = weight.new_zeros(rows, self.context)
        with pyro.plate("row", rows):
            return pyro.sample("x", FlowLaw(self, c), obs=x)

    def log_prob(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Log density of rows of data, nats, (..., features) -> (...)."""
        y, ladj = self.precondition(x)
        with unvalidated():
            return self.flow(self._context(c)).log_prob(y) + ladj

    def draw(self, shape: torch.Size, c: Tensor | None = None) -> Tensor:
        """Draws, shape + (features,); with gradients but of "gmm". `c` has the batch `shape`."""
        with unvalidated():
            law = self.flow(self._context(c))
            drawn = law.rsample if law.has_rsample else law.sample
            y = drawn(shape if c is None else torch.Size())
        return self.restore(y)

    @torch.no_grad()
    def sample(self, n: int, c: Tensor | None = None, *, seed: int | None = None) -> Tensor:
        """`n` rows, (n, features); of each context, (n, context), or all of one, (context,)."""
        self._check_context(c)
        if c is not None:
            c = torch.as_tensor(c, dtype=self._first_weight().dtype).expand(n, self.context)
        devices = [self._first_weight().device] if self._first_weight().is_cuda else []
        with torch.random.fork_rng(devices=devices, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            return self.draw(torch.Size((n,)), c)

    def to_noise(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The noise of rows, (..., features) -> (..., features); standard normal if x ~ p."""
        return self.flow.transform(self._context(c))(self.precondition(x)[0])

    def from_noise(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The rows that noise stands for."""
        return self.restore(self.flow.transform(self._context(c)).inv(z))

    def precondition(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows as the flow sees them, and the log-determinant of that, (...)."""
        total = x.new_zeros(())
        for step in cast("Iterable[Preconditioner]", self.before):
            x, ladj = step.call_and_ladj(x)
            total = total + ladj
        return x, total

    def restore(self, y: Tensor) -> Tensor:
        """Rows from what the flow sees of them."""
        for step in reversed(list(cast("Iterable[Preconditioner]", self.before))):
            y = step.inverse(y)
        return y

    @torch.no_grad()
    def impute(
        self,
        x: Tensor,
        c: Tensor | None = None,
        *,
        draws: int = 1,
        steps: int = 100,
        seed: int = 0,
    ) -> Imputed:
        """Draws of the missing entries (NaN) of rows, (row, features), given the others.

        By `steps` of Metropolis-Hastings for each draw, see `impute_rows`.
        """
        weight = self._first_weight()
        random = torch.Generator(weight.device).manual_seed(seed)
        x = x.to(weight)
        y, _ = self.precondition(x)
        rows = None if c is None else c[torch.arange(_REFERENCE) % len(c)]
        drawn, _ = self.precondition(self.sample(_REFERENCE, rows, seed=seed))
        drawn = drawn.clamp(-_WIDEST, _WIDEST)  # a few wild draws would make the reference wide
        with unvalidated():
            law = self.flow(self._context(c))
            found = impute_rows(
                law.log_prob, y, drawn.mean(0), drawn.T.cov(), draws, steps, random
            )
        completed = self.restore(found.draws)
        return Imputed(torch.where(x.isnan(), completed, x), found.acceptance)

    def start_from(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Take means and deviations from data. Raises `DataError` for constant features."""
        kept = list(batches)
        y = torch.cat([batch["x"] for batch in kept]).to(self._first_weight().dtype)
        for step in cast("Iterable[Preconditioner]", self.before):
            y = step.start_from(y)
        if self.context_scale is not None:
            if any("c" not in batch for batch in kept):
                raise DataError(
                    f"The flow is conditional: its data need c, {self.context} columns of context."
                )
            c = torch.cat([batch["c"] for batch in kept]).to(y.dtype)
            self.context_scale.start_from(c, constant=True)

    def _context(self, c: Tensor | None) -> Tensor | None:
        self._check_context(c)
        if c is None or self.context_scale is None:
            return None
        return self.context_scale.call_and_ladj(c)[0]

    def _check_context(self, c: Tensor | None) -> None:
        if (c is None) == bool(self.context):
            need = f"needs a context c of {self.context} columns" if self.context else "takes none"
            raise DataError(f"The flow {need}: it was made with context={self.context}.")

    def _first_weight(self) -> Tensor:
        return next(self.flow.parameters())
