"""Model, guide and data of a posterior in the form that objectives take: not rows, but the whole.

Objectives learn from minibatches of rows. Here the data are what they are, all of them in every
step; every site counts once, as the program itself scales it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from pyro import poutine
from torch import Tensor, nn

from probgen.learn.variational.layout import Layout
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.run import Message

__all__ = ["Posterior", "Whole", "whole_layout"]


class Posterior(Pair):
    """A model and a guide, run with the parameters of the store that is in force.

    Args:
        model, guide: called with the data by name.
        leaves: what is trained.
        summed: discrete sites that the guide leaves to the model, to be summed out.

    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        leaves: list[Tensor],
        summed: Collection[str] = (),
    ) -> None:
        def config(message: Any) -> Any:
            return {"enumerate": "parallel"} if message["name"] in summed else {}

        self.model = poutine.infer_config(model, config) if summed else model  # type: ignore[assignment]
        self.guide = poutine.infer_config(guide, _with_baseline)
        self.call_model, self.call_guide = self.model, self.guide
        self.named, self.own = "", False
        self.module, self.parts = _Leaves(leaves), {}

    @contextlib.contextmanager
    def stored(self, always: bool = False) -> Iterator[None]:
        """Pyro's parameter store as it is."""
        yield


class _Leaves(nn.Module):
    """Tensors as the parameters of a module; they need not be of the type `Parameter`."""

    def __init__(self, leaves: list[Tensor]) -> None:
        super().__init__()
        self._leaves = leaves

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """All leaves, numbered."""
        return ((f"guide parameter {number}", leaf) for number, leaf in enumerate(self._leaves))


class Whole(dict[str, Any]):
    """Data that are no rows: one case in all."""

    rows = 1


class _WholeLayout(Layout):
    def is_row(self, message: Message) -> bool:
        """No site is a row."""
        return False

    def row_dim(self, message: Message) -> int | None:
        """No dimension is that of rows."""
        return None


def whole_layout(pair: Posterior, data: Whole) -> Layout:
    """The layout of data that are not rows."""
    with torch.no_grad():
        run = pair.run(data)
    messages = [*run.guide.values(), *run.model.values()]
    dims = [f.dim for m in messages for f in m["cond_indep_stack"] if f.dim is not None]
    return _WholeLayout(1, frozenset(), {}, -min(dims, default=0), run, data, True)


def _with_baseline(message: Any) -> Any:
    """A running mean as baseline for draws without a gradient (Mnih & Gregor 2014)."""
    chosen = dict(message["infer"])
    if not getattr(message["fn"], "has_rsample", False) and "enumerate" not in chosen:
        chosen.setdefault("baseline", {"use_decaying_avg_baseline": True})
    return chosen
