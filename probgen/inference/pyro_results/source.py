"""What is read off a result of Pyro, whatever it was, before it becomes a DataTree."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from probgen.errors import DataError

__all__ = ["Source", "by_chain", "named_arguments"]


@dataclass
class Source:
    """Draws (chain, draw, ...) by site, and where they come from.

    `model` and `data` are the program and its arguments by name, None where the result does not
    know them. `log_q` is the log density (nats) of the guide at the draws, (chain, draw).
    """

    draws: dict[str, np.ndarray]
    model: Callable[..., Any] | None = None
    data: Mapping[str, Any] | None = None
    stats: dict[str, np.ndarray] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    log_q: np.ndarray | None = None


def by_chain(samples: Mapping[str, Any], chains: int) -> dict[str, np.ndarray]:
    """Samples (chains * draws, ...) as (chain, draw, ...), chain after chain.

    Raises `DataError` naming a site whose samples are no array, are not as many as the others',
    or cannot be divided among the chains.
    """
    arrays: dict[str, np.ndarray] = {}
    count = None
    for name, value in samples.items():
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        array = np.asarray(array)
        if array.dtype.kind not in "fiub" or array.ndim == 0:
            raise DataError(f"The samples of {name!r} must be an array, one entry per draw.")
        count = len(array) if count is None else count
        if len(array) != count:
            raise DataError(
                f"{name!r} has {len(array)} samples and another site {count}: pass the samples of "
                "one run."
            )
        if count % chains:
            raise DataError(
                f"{count} samples of {name!r} cannot be divided among num_chains={chains}."
            )
        arrays[str(name)] = array.reshape(chains, -1, *array.shape[1:])
    return arrays


def named_arguments(
    model: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A program and its arguments by name, from a call with positional ones.

    Arguments that have no name (`*args`) are bound to the program.
    """
    if not args:
        return model, dict(kwargs)
    try:
        signature = inspect.signature(getattr(model, "forward", model))
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):
        return functools.partial(model, *args), dict(kwargs)
    kinds = {name: signature.parameters[name].kind for name in bound.arguments}
    nameless = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
    if any(kind in nameless for kind in kinds.values()):
        return functools.partial(model, *args), dict(kwargs)
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        named.update(value if kinds[name] is inspect.Parameter.VAR_KEYWORD else {name: value})
    return model, named
