"""A user's guide as something of our own to train: names and classes made, modules copied."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import Any

from pyro import poutine
from pyro.infer.autoguide import AutoGuide, AutoStructured
from torch import nn

from probgen.declare.sites import is_latent
from probgen.declare.supports import is_discrete, support_of
from probgen.errors import OptionError

__all__ = ["is_program_guide", "own_guide"]


def is_program_guide(guide: Any, model: Any) -> bool:
    """Whether a guide is run by Pyro: no name of a flat one, or a model's own."""
    if guide is None:
        return callable(getattr(getattr(model, "__wrapped__", model), "guide", None))
    return guide == "structured" or not isinstance(guide, str)


def own_guide(guide: Any, model: Callable[..., Any]) -> Callable[..., Any]:
    """The guide to train and draw from, taking the data by name; the user's is left as it is.

    None is the model's own, "structured" is Pyro's `AutoStructured`, and classes are called: with
    the model where they are AutoGuides, else without arguments. Discrete sites are hidden from
    AutoGuides that are made here. Raises `OptionError` for what cannot be a guide.
    """
    if guide is None:
        return copied(model.guide)  # type: ignore[attr-defined]
    if isinstance(guide, str):
        return AutoStructured(_continuous(model))
    if isinstance(guide, type):
        try:
            made = guide(_continuous(model)) if issubclass(guide, AutoGuide) else guide()
        except TypeError as error:
            raise OptionError(
                f"SVI(guide={guide.__name__}): the class cannot be made without further arguments "
                f"({error}); pass a guide, {guide.__name__}(...)."
            ) from error
        return _in_doubles(made)
    return copied(guide)


def copied(guide: Callable[..., Any]) -> Callable[..., Any]:
    """A guide whose parameters may be changed: modules are copied, functions have none."""
    if isinstance(guide, nn.Module):
        return _in_doubles(_copied_module(guide))
    if isinstance(guide, types.MethodType) and isinstance(guide.__self__, nn.Module):
        module = _in_doubles(_copied_module(guide.__self__))
        return types.MethodType(guide.__func__, module)
    return guide


def _copied_module(module: nn.Module) -> nn.Module:
    """A deep copy; AutoGuides forget their model when they are copied, and are reminded of it."""
    known = {n: (m, m._model, m.master) for n, m in module.named_modules() if _is_auto(m)}
    made = copy.deepcopy(module)
    copies = dict(made.named_modules())
    for name, (part, model, master) in known.items():
        part._model, part.master = model, master
        copies[name]._model = model
    return made


def _is_auto(module: Any) -> bool:
    return isinstance(module, AutoGuide)


def _in_doubles(guide: Any) -> Any:
    return guide.double() if isinstance(guide, nn.Module) else guide


def _continuous(model: Callable[..., Any]) -> Callable[..., Any]:
    """The model with its discrete latent sites hidden: they are summed out of it."""

    def hidden(message: Any) -> bool:
        if message["type"] != "sample" or not is_latent(message):
            return False
        return is_discrete(support_of(message["fn"]))

    return poutine.block(model, hide_fn=hidden)
