"""A program as its guide is judged: on all of its data, with what the guide samples as numbers.

Training may look at a part of a plate at a time; a posterior is of all the data. And a discrete
site that a guide samples is a coordinate of its draws like any other, not one to be summed out.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar

import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.subsample_messenger import SubsampleMessenger
from torch.distributions import constraints

from probgen.declare.sites import is_latent
from probgen.declare.supports import continuous_support, unwrapped

__all__ = ["Judged", "whole_plates"]


class Judged:
    """`program` with plates at full size, and some discrete latent sites as real numbers.

    A number stands for the state nearest to it; its log density is that of the state. The program
    itself sees states.
    """

    def __init__(self, program: Callable[..., Any], numbers: Collection[str] = ()) -> None:
        functools.update_wrapper(self, program, updated=())
        self.program, self.numbers = program, frozenset(numbers)

    def __call__(self, *args: Any, **data: Any) -> Any:
        """Run the program."""
        with whole_plates(), _AsNumbers(self.numbers):
            return self.program(*args, **data)


@contextlib.contextmanager
def whole_plates() -> Iterator[None]:
    """Plates declared with a `subsample_size` are run over all of their elements."""
    before = SubsampleMessenger.__dict__["_subsample"]

    def whole(
        name: str, size: Any = None, subsample_size: Any = None, subsample: Any = None, *rest: Any
    ) -> Any:
        wanted = subsample_size if subsample is not None or size is None else None
        return before.__func__(name, size, wanted, subsample, *rest)

    SubsampleMessenger._subsample = staticmethod(whole)  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        SubsampleMessenger._subsample = before  # type: ignore[method-assign]


class _AsNumbers(Messenger):
    """Latent sites of these names get distributions over real numbers."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["name"] in self.names and is_latent(msg):
            msg["fn"] = _Number(msg["fn"])

    def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["fn"], _Number) and msg["name"] in self.names:
            msg["value"] = msg["fn"].state(msg["value"])


class _Number(dist.TorchDistribution):
    """A discrete distribution whose states are read off real numbers."""

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, states: Any) -> None:
        self.states = states
        super().__init__(states.batch_shape, states.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """Real numbers."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        """A state as a number."""
        return self.states.sample(torch.Size(sample_shape)).to(torch.get_default_dtype())

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Of the nearest state; the gradient is zero."""
        nothing = value.sum(tuple(range(-len(self.event_shape), 0))) if self.event_shape else value
        return self.states.log_prob(self.state(value)) + 0 * nothing

    def state(self, value: torch.Tensor) -> torch.Tensor:
        """The state nearest to a number."""
        support = continuous_support(self.states.support)
        while isinstance(support, constraints.independent):
            support = support.base_constraint
        if support is constraints.one_hot:
            return torch.nn.functional.one_hot(value.argmax(-1), value.shape[-1]).to(value.dtype)
        low, high = (getattr(support, name, None) for name in ("lower_bound", "upper_bound"))
        if support is constraints.boolean:
            low, high = 0, 1
        whole = value.round()
        if low is not None:
            whole = torch.maximum(whole, torch.as_tensor(low, dtype=whole.dtype))
        if high is not None:
            whole = torch.minimum(whole, torch.as_tensor(high, dtype=whole.dtype))
        return whole.long() if isinstance(unwrapped(self.states), dist.Categorical) else whole

    def expand(self, batch_shape: Any, _instance: Any = None) -> _Number:
        """The same distribution over more elements."""
        return _Number(self.states.expand(batch_shape))
