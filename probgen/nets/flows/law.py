"""The distribution that a flow model puts at its site, made anew in every call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import Distribution

if TYPE_CHECKING:
    from probgen.nets.flows.model import FlowModel

__all__ = ["FlowLaw", "unvalidated"]


@contextmanager
def unvalidated() -> Iterator[None]:
    """Leave out the checks of torch's distributions, which zuko is written to do without."""
    before = Distribution._validate_args
    Distribution._validate_args = False
    try:
        yield
    finally:
        Distribution._validate_args = before


class FlowLaw(TorchDistribution):
    """p(x | context) of a flow model: events (features,), a batch of the context's rows."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(
        self, model: FlowModel, context: Tensor | None, batch_shape: torch.Size | None = None
    ) -> None:
        self.model, self.context = model, context
        if batch_shape is None:
            batch_shape = torch.Size() if context is None else context.shape[:-1]
        super().__init__(batch_shape, torch.Size((model.features,)), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether draws carry gradients."""
        return not self.model.discrete and self.model.kind != "gmm"

    @property
    def support(self) -> Any:
        """That of the model."""
        return self.model.support

    def expand(self, batch_shape: Any, _instance: Any = None) -> FlowLaw:
        """The same law for a larger batch."""
        return FlowLaw(self.model, self.context, torch.Size(batch_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws, sample_shape + batch_shape + (features,)."""
        shape = torch.Size(sample_shape) + self.batch_shape
        context = self.context
        if context is not None:
            context = context.expand(*shape, context.shape[-1])
        return self.model.draw(shape, context)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws without gradients."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density in nats, of the batch."""
        found = self.model.log_prob(value, self.context)
        return found.expand(torch.broadcast_shapes(found.shape, self.batch_shape))
