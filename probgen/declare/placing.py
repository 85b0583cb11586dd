"""Pyro handlers that give the sites of a program their values.

Latent sites are set from the prior, from given values, or from unconstrained values with the
log Jacobians of the transforms; observed values become float64 tensors. `program` puts one of
these around every run.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import torch
from pyro import distributions as dist
from pyro.poutine.messenger import Messenger
from torch.distributions import constraints

from probgen.declare.bijections import bijection
from probgen.declare.implicit import Implicit
from probgen.declare.sites import is_implicit, is_latent, is_statement, sample_sites, site_kind
from probgen.declare.supports import (
    is_discrete,
    label,
    support_of,
    support_words,
)
from probgen.errors import ModelError

__all__ = [
    "FloatObservations",
    "PlaceNearOrigin",
    "PlacePrior",
    "PlaceUnconstrained",
    "PlaceValues",
    "ReadUnconstrained",
    "Unscored",
    "fill_masked",
    "is_imputed",
    "mask_of",
]


class PlacePrior(Messenger):
    """Draws latent sites from their prior; improper ones from their support and shape."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        try:
            # Pyro's wrapper for zuko can be called, but has no `sample`.
            msg["value"] = getattr(msg["fn"], "sample", msg["fn"])().detach()
        except NotImplementedError:
            msg["value"] = near_origin(msg["fn"])
        msg["done"] = True


class PlaceNearOrigin(PlacePrior):
    """Sets continuous latent sites close to zero on the unconstrained scale."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        try:
            msg["value"] = near_origin(msg["fn"])
        except NotImplementedError:  # discrete sites
            super()._pyro_sample(msg)
        msg["done"] = True


class PlaceValues(PlacePrior):
    """Sets latent sites to given constrained values, those left out from the prior."""

    def __init__(self, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if is_latent(msg) and msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]]
            msg["done"] = True
        else:
            super()._pyro_sample(msg)


class ReadUnconstrained(PlacePrior):
    """Sets latent sites from given or prior values and notes them unconstrained."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.values = values
        self.unconstrained: dict[str, torch.Tensor] = {}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        name = msg["name"]
        if name in self.values:
            msg["value"] = _given_value(name, self.values[name], msg["fn"])
            msg["done"] = True
        else:
            super()._pyro_sample(msg)
        if is_discrete(support_of(msg["fn"])):
            return
        self.unconstrained[name] = bijection(support_of(msg["fn"])).inv(msg["value"])


class PlaceUnconstrained(Messenger):
    """Sets latent sites from unconstrained values and sums the log Jacobians.

    `discrete` gives the value of a discrete latent site for its message.
    """

    def __init__(
        self,
        unconstrained: Mapping[str, torch.Tensor],
        discrete: Callable[[Mapping[str, Any]], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.unconstrained = unconstrained
        self.discrete = discrete
        self.log_jacobian: list[torch.Tensor] = []
        self.placed: set[str] = set()
        self.given: set[str] = set()

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            self.given.add(msg["name"])
            return
        name, support = msg["name"], support_of(msg["fn"])
        if self.discrete is not None and is_discrete(support):
            msg["value"], msg["done"] = self.discrete(msg), True
            return
        if name not in self.unconstrained:
            raise ModelError(sites_change(name, "was not in the first run of the program"))
        value = self.unconstrained[name]
        transform = bijection(support)
        msg["value"] = transform(value)
        msg["done"] = True
        self.placed.add(name)
        if is_imputed(msg, self.given):
            self._add_imputed(value, msg, transform)
        elif support is not constraints.real and not _is_identity(transform):
            self.log_jacobian.append(transform.log_abs_det_jacobian(value, msg["value"]).sum())

    def _add_imputed(self, value: torch.Tensor, msg: dict[str, Any], transform: Any) -> None:
        """What `obs_mask` observes is a part of a latent site, too, which nothing depends on.

        Left flat, the density would be improper in it; it gets a standard normal instead.
        """
        mask = torch.as_tensor(mask_of(msg))
        rank = len(transform.inverse_shape(msg["fn"].event_shape))
        jacobian = transform.log_abs_det_jacobian(value, msg["value"])
        normal = -0.5 * value.square()
        normal = normal.sum(tuple(range(-rank, 0))) if rank else normal
        if jacobian.dim() > normal.dim():
            jacobian = jacobian.sum(tuple(range(normal.dim() - jacobian.dim(), 0)))
        self.log_jacobian.append(torch.where(mask, jacobian, normal).sum())

    def check_all_placed(self) -> None:
        """Raise `ModelError` when this run of the program left out a latent site."""
        if len(self.placed) < len(self.unconstrained):
            missing = next(name for name in self.unconstrained if name not in self.placed)
            raise ModelError(sites_change(missing, "is missing in a run of the program"))


class FloatObservations(Messenger):
    """Observed values as float64 tensors: data are often integers, log densities are not."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        value = msg["value"]
        if not msg["is_observed"]:
            return
        if not isinstance(value, torch.Tensor):
            msg["value"] = _observed_tensor(msg["name"], value)
        elif not value.is_floating_point() and not value.is_complex():
            msg["value"] = value.to(torch.float64)


class Unscored(Messenger):
    """Sites without a density count nothing in the log density.

    One that is not observed is what its parents make it. Where one is observed there is no
    posterior density at all, which `unscored_problems` says.
    """

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if is_statement(msg) and is_implicit(msg):
            msg["fn"] = msg["fn"].mask(False)


def fill_masked(trace: Any) -> None:
    """Replace observed values that a mask leaves out by one that it keeps, in a trace.

    They do not count, but a NaN among them would still make the gradient NaN. Only the log
    densities see the replacement, not the program.
    """
    for _, message in sample_sites(trace):
        mask = mask_of(message)
        if isinstance(mask, torch.Tensor) and site_kind(message) == "observed":
            rank = message["fn"].event_dim
            message["value"] = _kept_values(message["value"], mask, rank)


def mask_of(message: Mapping[str, Any]) -> torch.Tensor | bool:
    """Which values of a site count: a tensor of its batch shape, or True or False for all."""
    masks = [message["mask"]]
    distribution = message["fn"]
    while isinstance(distribution, dist.MaskedDistribution):
        unscored = distribution._mask is False and isinstance(distribution.base_dist, Implicit)
        masks.append(None if unscored else distribution._mask)
        distribution = distribution.base_dist
    combined: torch.Tensor | bool = True
    for mask in masks:
        if mask is False:
            return False
        if isinstance(mask, torch.Tensor):
            combined = mask.bool() if combined is True else combined & mask.bool()
    return combined


def is_imputed(message: Mapping[str, Any], others: Container[str]) -> bool:
    """Whether a latent site stands for the unobserved values of a site with `obs_mask`.

    `others` are the names of the sites before it: Pyro makes a twin for the observed values.
    """
    base = str(message["name"]).removesuffix("_unobserved")
    return f"{base}_observed" in others and isinstance(mask_of(message), torch.Tensor)


def near_origin(distribution: Any) -> torch.Tensor:
    """A value of a distribution that is close to zero on the unconstrained scale."""
    transform = bijection(support_of(distribution))
    shape = transform.inverse_shape(distribution.shape())
    return transform(torch.rand(shape) - 0.5)


def sites_change(name: str, how: str) -> str:
    """The text of the error for a program whose sites differ from run to run."""
    return (
        f"Site {name!r} {how}: the set of sites changes from run to run. Make the control flow "
        "independent of random values, for instance with torch.where."
    )


def _kept_values(value: torch.Tensor, mask: torch.Tensor, event_dim: int) -> torch.Tensor:
    event = value.shape[value.dim() - event_dim :]
    batch = torch.broadcast_shapes(mask.shape, value.shape[: value.dim() - event_dim])
    value, mask = value.expand(batch + event), mask.expand(batch)
    first_kept = mask.reshape(-1).long().argmax().reshape(1)
    filler = value.reshape(-1, *event).index_select(0, first_kept).reshape(event)
    return torch.where(mask.reshape(batch + (1,) * event_dim), value, filler)


def _observed_tensor(name: str, value: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"Site {name!r} is observed with {type(value).__name__}, which is no tensor. "
            "Pass obs=torch.as_tensor(...)."
        ) from error


def _given_value(name: str, value: Any, distribution: Any) -> torch.Tensor:
    tensor = torch.as_tensor(value, dtype=torch.float64)
    try:
        tensor = tensor.expand(distribution.shape())
    except RuntimeError as error:
        raise ModelError(
            f"The value given for site {name!r} has shape {tuple(tensor.shape)}, the site has "
            f"shape {tuple(distribution.shape())}."
        ) from error
    support = support_of(distribution)
    if not bool(support.check(tensor).all()):
        raise ModelError(
            f"The value given for site {name!r} lies outside the support of "
            f"{label(distribution)} ({support_words(support)})."
        )
    return tensor


def _is_identity(transform: Any) -> bool:
    return isinstance(transform, torch.distributions.ComposeTransform) and not transform.parts
