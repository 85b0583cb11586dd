"""The parameters of a guide, whatever way they were declared, apart from everybody else's."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import pyro
import torch
from torch import Tensor, nn

__all__ = ["guide_parameters", "own_store", "put_back_values"]


@contextlib.contextmanager
def own_store() -> Iterator[None]:
    """A parameter store of our own, with copies of what `pyro.param` has put into Pyro's.

    Parameters of modules are left out: modules bring them along, and the store's may be those of
    an earlier module of the same name.
    """
    store = pyro.get_param_store()
    kept = store.get_state()
    params = {
        name: value.detach().clone().double().requires_grad_(value.requires_grad)
        for name, value in kept["params"].items()
        if not isinstance(value, nn.Parameter)
    }
    limits = {name: kept["constraints"][name] for name in params}
    with store.scope({"params": params, "constraints": limits}):
        yield


@contextlib.contextmanager
def put_back_values(leaves: list[Tensor]) -> Iterator[None]:
    """The values of leaves, which may be those of a user's module, are put back at the end."""
    before = [leaf.detach().clone() for leaf in leaves]
    try:
        yield
    finally:
        with torch.no_grad():
            for leaf, value in zip(leaves, before, strict=True):
                leaf.copy_(value)
                leaf.grad = None


def guide_parameters(guide: Callable[..., Any], trace: Any) -> list[Tensor]:
    """The leaves that a guide is trained by; `trace` is a run of it.

    Parameters of `pyro.param`, of modules that `pyro.module` names, of a module that is the guide
    and of baselines; where the guide is a method of a module, those of the module that the run has
    touched.
    """
    found: dict[int, Tensor] = {}

    def add(leaves: Any) -> None:
        found.update({id(p): p for p in leaves if p.requires_grad and p.is_leaf})

    for message in trace.nodes.values():
        if message["type"] == "param" and hasattr(message["value"], "unconstrained"):
            add([message["value"].unconstrained()])
        elif message["type"] == "param":
            add([message["value"]])
        elif message["type"] == "sample":
            baseline = message["infer"].get("baseline", {}).get("nn_baseline")
            add(baseline.parameters() if isinstance(baseline, nn.Module) else ())
    if isinstance(guide, nn.Module):
        add(guide.parameters())
    elif isinstance(guide, types.MethodType) and isinstance(guide.__self__, nn.Module):
        add(_touched(trace, [p for p in guide.__self__.parameters() if p.requires_grad]))
    return list(found.values())


def _touched(trace: Any, leaves: list[nn.Parameter]) -> list[nn.Parameter]:
    """Those of some leaves that draws or log densities of a run depend on."""
    ends: list[Tensor] = []
    for message in trace.nodes.values():
        if message["type"] == "sample":
            value = message["value"]
            ends += [value, message["fn"].log_prob(value.detach())]
    sums = [end.sum() for end in ends if end.requires_grad]
    if not sums or not leaves:
        return []
    total = torch.stack(sums).sum()
    slopes = torch.autograd.grad(total, leaves, retain_graph=True, allow_unused=True)
    return [leaf for leaf, slope in zip(leaves, slopes, strict=True) if slope is not None]
