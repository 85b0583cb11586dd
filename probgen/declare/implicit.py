"""Sites without a density: values that a program computes, to be compared and not scored.

Mohamed and Lakshminarayanan (2016), "Learning in implicit generative models"; Tran, Ranganath and
Blei (2017), "Hierarchical implicit models and likelihood-free variational inference".
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from probgen.errors import ModelError, OptionError

__all__ = ["Implicit", "NoDensityError"]


class NoDensityError(ModelError, NotImplementedError):
    """A site without a density was asked for one."""


class Implicit(TorchDistribution):
    """The law of whatever a program computes `value` from; it can be drawn from and not scored.

    Sampled, traced, conditioned on and put in plates like any distribution. A draw is `value`
    itself, and differentiable where `value` is.

        z = pyro.sample("z", dist.Normal(zeros, 1.0).to_event(1))
        pyro.sample("x", Implicit(self.generator(z)), obs=x)

    Args:
        value: what is drawn, (row, ...).
        event_dim: how many dimensions from the right make one event; None for all but the first.
        site: the site's name, for messages.

    """

    arg_constraints = {}  # noqa: RUF012
    has_rsample = True

    def __init__(
        self,
        value: Tensor,
        event_dim: int | None = None,
        *,
        site: str = "",
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(value, Tensor):
            raise OptionError(f"Implicit({value!r}): give a tensor that the program computed.")
        events = max(value.dim() - 1, 0) if event_dim is None else event_dim
        if not 0 <= events <= value.dim():
            raise OptionError(
                f"Implicit(event_dim={event_dim!r}): the value has {value.dim()} dimensions."
            )
        self.value, self.site = value, site
        batch = value.dim() - events
        super().__init__(value.shape[:batch], value.shape[batch:], validate_args=False)

    @property
    def support(self) -> Any:
        """The real numbers: nothing is known of where values lie."""
        return constraints.independent(constraints.real, self.event_dim)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Implicit:
        """The same value in every entry of a larger batch."""
        shape = torch.Size(batch_shape)
        if shape == self.batch_shape:  # as in every plate that is as long as the value
            return self
        return Implicit(
            self.value.expand(shape + self.event_shape), self.event_dim, site=self.site
        )

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """The value, as often as asked for."""
        shape = torch.Size(sample_shape)
        return self.value.expand(shape + self.value.shape) if shape else self.value

    def log_prob(self, value: Tensor) -> NoReturn:
        """Raises `NoDensityError`, a `ModelError` and a `NotImplementedError`."""
        where = f"The site {self.site!r}" if self.site else "This site"
        raise NoDensityError(
            f"{where} has no density (Implicit): use Adversarial, EnergyDistance or MMD to learn "
            "the program; to infer its latent sites, observe them through a likelihood "
            "(pg.measured), or simulate (RejectionABC, SMCABC)."
        )

    @property
    def mean(self) -> Tensor:
        """The value: given what it was computed from, nothing is random."""
        return self.value

    @property
    def variance(self) -> Tensor:
        """Zero, as `mean` says."""
        return torch.zeros_like(self.value)
