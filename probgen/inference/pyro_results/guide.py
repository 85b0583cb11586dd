"""Draws from a guide (a variational posterior), and its log density at them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer.autoguide.initialization import InitMessenger

from probgen.declare.batched_draws import rows_apart, rows_at_once
from probgen.declare.environment import isolated
from probgen.declare.sites import is_statement
from probgen.errors import DataError
from probgen.inference.pyro_results.source import Source

__all__ = ["is_guide", "read_guide"]


def is_guide(result: Any) -> bool:
    """Whether something is a guide: an AutoGuide, an SVI object, or any callable."""
    return callable(result) or _is_svi(result)


def _is_svi(result: Any) -> bool:
    return hasattr(result, "guide") and hasattr(result, "model")


def read_guide(
    result: Any,
    model: Callable[..., Any] | None,
    data: Mapping[str, Any] | None,
    draws: int,
    chains: int,
    seed: int,
) -> Source:
    """`draws` independent draws per chain of all sites of a guide, and their log densities.

    `result` is a guide or an SVI object; an AutoGuide knows its model. Of a guide that is a point
    (AutoDelta) there is one draw. One with a site that never changes has no log density. Raises
    `DataError` when the guide cannot be run with `data`.
    """
    guide = result.guide if _is_svi(result) else result
    model = model or _uninitialised(getattr(result, "model", None))
    arguments = dict(data or {})

    def run(row: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        trace = poutine.trace(guide).get_trace(**arguments)
        trace.compute_log_prob()
        sites = {n: m for n, m in trace.nodes.items() if is_statement(m) and not m["is_observed"]}
        values = {
            name: message["value"].detach()
            for name, message in sites.items()
            if not message["infer"].get("is_auxiliary")
        }
        terms = [message["log_prob_sum"] for message in sites.values()]
        return values, sum(terms, torch.zeros(()))

    count = chains * draws
    with isolated(seed % 2**32), torch.no_grad(), pyro.validation_enabled(False):
        try:
            step = rows_at_once(lambda: run(torch.zeros(())))
        except TypeError as raised:
            raise DataError(
                f"The guide cannot be run: {raised}. Pass the arguments that model and guide "
                "take, by name, as data={...}."
            ) from raised
        found, log_q = _rows(run, count, step)
    fixed = [bool((value == value[:1]).all()) for value in found.values()]
    name = getattr(guide, "__name__", type(guide).__name__)  # a function's own
    attrs = {"method": name, "approximation": True}
    if all(fixed):
        chains, draws, count = 1, 1, 1
    shaped = {
        name: value[:count].cpu().numpy().reshape(chains, draws, *value.shape[1:])
        for name, value in found.items()
    }
    if any(fixed):
        return Source(shaped, model, data, attrs=attrs)
    density = np.asarray(log_q.double().numpy()).reshape(chains, draws)
    return Source(shaped, model, data, attrs=attrs, log_q=density)


def _uninitialised(model: Any) -> Any:
    """The model of an AutoGuide without the handler that sets its sites to starting values."""
    while isinstance(model, functools.partial):
        inner = model.func if isinstance(model.func, functools.partial) else model
        if not any(isinstance(argument, InitMessenger) for argument in inner.args):
            break
        model = inner.args[-1]
    return model


def _rows(
    run: Callable[[torch.Tensor], tuple[dict[str, torch.Tensor], torch.Tensor]],
    count: int,
    step: int,
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    try:
        with rows_apart():
            batched = torch.vmap(run, randomness="different", chunk_size=step)
            return batched(torch.arange(count))
    except (RuntimeError, ValueError, NotImplementedError, TypeError):
        single = [run(torch.zeros(())) for _ in range(count)]
        values = {name: torch.stack([each[0][name] for each in single]) for name in single[0][0]}
        return values, torch.stack([each[1] for each in single])
