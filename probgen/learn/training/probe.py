"""One run of a program on the first rows: which arguments are observed at which sites.

The support of every site is read off the program itself, so that any program's data can be
checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pyro import poutine
from torch import Tensor

from probgen.declare.environment import isolated
from probgen.declare.sites import sample_sites, site_kind
from probgen.declare.supports import support_of
from probgen.errors import DataError, ModelError
from probgen.learn.evaluating import evaluating

__all__ = ["Observed", "arguments_of", "observed_sites", "prior_shapes", "traced"]


@dataclass(frozen=True, eq=False)
class Observed:
    """An observed site: its support, the value of the first rows, and their argument.

    `argument` is None where the program observes something it has computed from its data;
    `fixed` says whether the support is the same for all rows; `dtype` is that of a draw.
    """

    site: str
    argument: str | None
    value: Tensor
    support: Any
    fixed: bool
    dtype: torch.dtype | None


def arguments_of(model: Any) -> list[str]:
    """Arguments of a program by name that may be data; sites where it takes any name.

    A module's attribute `data_sites` names them in so many words.
    """
    named = getattr(model, "data_sites", None)
    if named is not None:
        return list(named)
    parameters = inspect.signature(_called(model)).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return list(prior_shapes(model))
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def prior_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shape of one case of every site, from a run without data; empty where that fails."""
    try:
        trace = traced(model, {})
    except Exception:
        return {}
    return {
        name: tuple(site["value"].shape[1:])
        for name, site in sample_sites(trace)
        if isinstance(site["value"], Tensor) and site["value"].shape[:1] == (1,)
    }


def observed_sites(model: Any, batch: Mapping[str, Tensor]) -> list[Observed]:
    """The observed sites of a run on `batch`.

    Raises `DataError` when the program cannot be run on it, `ModelError` when it observes
    nothing that has a support to check against.
    """
    try:
        trace = traced(model, dict(batch))
    except Exception as error:
        shapes = ", ".join(f"{name} {tuple(v.shape)}" for name, v in batch.items())
        raise DataError(
            f"The program cannot be run on the first rows of the data ({shapes}): "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''} Check "
            "their shapes against the program."
        ) from error
    found = [
        _observed(name, site, batch)
        for name, site in sample_sites(trace)
        if site_kind(site) == "observed" and isinstance(site["value"], Tensor)
    ]
    if not found:
        raise ModelError(
            f"The program observes nothing of the data ({', '.join(batch)}): pass them to "
            "pyro.sample(..., obs=...)."
        )
    return found


def _observed(name: str, site: Mapping[str, Any], batch: Mapping[str, Tensor]) -> Observed:
    value, distribution = site["value"], site["fn"]
    same = [
        key
        for key, data in batch.items()
        if data is value or (data.data_ptr() == value.data_ptr() and data.shape == value.shape)
    ]
    _check_shape(name, value, distribution)
    try:
        with isolated(0):
            drawn = distribution.sample().dtype
    except Exception:
        drawn = None
    support = support_of(distribution)
    return Observed(
        name,
        same[0] if same else None,
        value.detach(),
        support,
        _is_fixed(support),
        drawn,
    )


def _check_shape(name: str, value: Tensor, distribution: Any) -> None:
    """Raise `DataError` unless a value has a shape that its distribution can score."""
    event = len(distribution.event_shape)
    shape = tuple(value.shape)
    fits = shape[len(shape) - event :] == tuple(distribution.event_shape)
    try:
        torch.broadcast_shapes(shape[: len(shape) - event], distribution.batch_shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise DataError(
            f"The value observed at the site {name!r} has rows of shape {shape[1:]}, and the site "
            f"takes {tuple(distribution.shape())[1:]}: give the data as many columns, or the "
            "program as many entries."
        )


def _is_fixed(support: Any) -> bool:
    """Whether no bound of a support differs from row to row."""
    parts = list(getattr(support, "__dict__", {}).values())
    tensors = [p for p in parts if isinstance(p, Tensor)]
    inner = [p for p in parts if isinstance(p, torch.distributions.constraints.Constraint)]
    return all(t.numel() == 1 for t in tensors) and all(map(_is_fixed, inner))


def traced(model: Any, data: Mapping[str, Tensor]) -> Any:
    """The trace of a run in the mode for evaluation, without gradients."""
    import pyro

    with isolated(0), evaluating(model), pyro.validation_enabled(False):
        return poutine.trace(model).get_trace(**data)


def _called(model: Any) -> Callable[..., Any]:
    return model.forward if isinstance(model, torch.nn.Module) else model
