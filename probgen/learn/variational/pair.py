"""A program and its guide: whatever was given as a guide, two callables and their parameters.

Modules keep their parameters; those that functions declare by `pyro.param` live in a store of
the pair's own, so that Pyro's global one is neither read nor written.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pyro
import torch
from pyro.infer.autoguide import AutoGuide
from pyro.nn import PyroModule
from torch import Tensor, nn
from torch.distributions import constraints

from probgen.learn.evaluating import evaluating
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.autoguides import bound_autoguide, make_autoguide
from probgen.learn.variational.run import Collect, Run

__all__ = ["Pair", "plainly"]


class Pair:
    """A program with its guide.

    Args:
        model: the program, a module that is trained in place.
        guide: a name of an autoguide, a module (a copy of it is trained), a function, or None
            for the model's own `guide`, and without one "mean_field".
        batch: rows to run both on once.
        svi: settings of named guides.

    Attributes
    ----------
    module: all that is trained; the model itself where it holds everything.
    parts: what is not the model's: the "guide", and "declared" parameters of functions.
    own: whether the guide is the model's own.

    """

    def __init__(self, model: nn.Module, guide: Any, batch: Batch, svi: Any = None) -> None:
        self.model = model
        self.named = ""
        self._bare = False
        self._store: Any = {"params": {}, "constraints": {}}
        found = getattr(model, "guide", None) if guide is None else guide
        self.own = guide is None and found is not None
        if found is None or isinstance(found, str):
            self.named = found or "mean_field"
            found = make_autoguide(self.named, model, batch, svi)
        elif isinstance(found, nn.Module) and not self.own:
            found = _copied(found, model, batch)
        self.guide: Callable[..., Any] = found
        self.call_model, self.call_guide = plainly(model), plainly(found)
        self.parts: dict[str, nn.Module] = {}
        if isinstance(found, nn.Module) and not _holds(model, found):
            self.parts["guide"] = found
        self.module = self._joined()
        declared = self._declared(batch)
        if declared is not None:
            self.parts["declared"] = declared
            self.module = self._joined()
        self._bare = not self._store["params"]  # no statement of `pyro.param` is ever met

    def run_guide(self, batch: Batch, collect: Collect) -> Collect:
        """Run the guide under a handler."""
        with self.stored(), collect:
            self.call_guide(**batch)
        return collect

    def run_model(self, batch: Batch, collect: Collect) -> Collect:
        """Run the program under a handler."""
        with self.stored(), collect:
            self.call_model(**batch)
        return collect

    def run(self, batch: Batch, detach: bool = False, simulate: bool = False) -> Run:
        """The guide, and the program at the guide's values."""
        with self.stored():
            guide = Collect(detach=detach)
            with guide:
                self.call_guide(**batch)
            model = Collect({**guide.sites, **guide.plates}, simulate=simulate)
            with model:
                self.call_model(**batch)
        return Run(guide, model)

    def rebind(self) -> None:
        """Give an autoguide its program back, which it forgets whenever it is copied."""
        if isinstance(self.guide, AutoGuide) and self.guide._model is None:
            self.guide._model = (self.model,)

    def baselines(self) -> dict[str, Tensor]:
        """Running means that Pyro's estimators keep in the store, and no optimiser changes."""
        trained = {id(p) for p in self.module.parameters()}
        kept = self._store["params"].items()
        return {name: value.detach() for name, value in kept if id(value) not in trained}

    def put_baselines(self, values: dict[str, Tensor]) -> None:
        """Go on from what `baselines` gave."""
        for name, value in values.items():
            self._store["params"][name] = value.clone().requires_grad_()
            self._store["constraints"][name] = constraints.real

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """All modules in their mode for evaluation, so that running statistics stay."""
        with evaluating(self.module, gradients=True):
            yield

    @contextlib.contextmanager
    def stored(self, always: bool = False) -> Iterator[None]:
        """Pyro's parameter store with this pair's parameters alone, where it uses the store."""
        if self._bare and not always:
            yield
            return
        store = pyro.get_param_store()
        before = store.get_state()
        store.clear()
        store.set_state(self._store)
        try:
            yield
        finally:
            self._store = store.get_state()
            store.clear()
            store.set_state(before)

    def _joined(self) -> nn.Module:
        parts = {"model": self.model, **self.parts}
        return nn.ModuleDict(parts) if self.parts else self.model

    def _declared(self, batch: Batch) -> nn.Module | None:
        """Parameters that `pyro.param` made and no module holds."""
        with self.evaluating(), torch.no_grad():
            self.run_guide(batch, Collect())
            self.run_model(batch, Collect())
        held = {id(p) for m in (self.model, self.guide) for p in _parameters(m)}
        made = {n: p for n, p in self._store["params"].items() if id(p) not in held}
        if not made:
            return None
        kept = nn.Module()
        for name, value in made.items():
            parameter = nn.Parameter(value.detach().to(_device(self.model)))
            kept.register_parameter(name.replace(".", "/"), parameter)
            self._store["params"][name] = parameter
        return kept


def _parameters(part: Any) -> Iterator[nn.Parameter]:
    return part.parameters() if isinstance(part, nn.Module) else iter(())


def _device(module: nn.Module) -> torch.device:
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def _holds(model: nn.Module, part: nn.Module) -> bool:
    return any(part is module for module in model.modules())


def _copied(guide: nn.Module, model: nn.Module, batch: Batch) -> nn.Module:
    """A copy of the guide, on the device and in the type of the model."""
    if isinstance(guide, AutoGuide):
        program = guide._model
        fresh = copy.deepcopy(guide)
        guide._model = program  # which a copy takes away
        return bound_autoguide(fresh, model, batch)
    copied = copy.deepcopy(guide)
    first = next(model.parameters(), None)
    return copied if first is None else copied.to(first.device, first.dtype)


def plainly(part: Any) -> Callable[..., Any]:
    """A call without the bookkeeping of `PyroModule`, where nothing in it draws attributes.

    Inside a call of a PyroModule every look at a submodule registers all of its parameters.
    """
    if not isinstance(part, PyroModule) or isinstance(part, AutoGuide):
        return part
    hooked = part._forward_hooks or part._forward_pre_hooks
    drawn = any(isinstance(m, PyroModule) and m._pyro_samples for m in part.modules())
    return part if hooked or drawn else part.forward
