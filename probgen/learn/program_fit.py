"""What fitting a program hands back, and how it is kept in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor, nn

from probgen.errors import ModelError, StoreError
from probgen.learn.training.nested import pack_nested, unpack_nested
from probgen.results.store.files import explained, replace_file

__all__ = ["ProgramFit", "check_weights", "load_fit"]

_KIND = "probgen fit"
_GROUPS = ("history", "watched")


@dataclass(frozen=True, eq=False)
class ProgramFit:
    """A program learned from data.

    Attributes
    ----------
    model: the trained module.
    tree: the group `history` with every metric over steps or epochs, as a DataTree; of a training
        that was watched the group `watched` with draws (look, sample, ...).
    average: the module with exponentially averaged weights, if they were asked for; running
        statistics, of batch normalisation say, are those of `model`.
    summary: what is worth knowing in numbers: steps, epochs, seconds, why training stopped, the
        last value of every metric; `notes` are sentences.
    parts: modules that were trained beside the model, by name, such as a "guide".

    """

    model: nn.Module
    tree: xr.DataTree
    average: nn.Module | None
    summary: dict[str, Any]
    parts: dict[str, nn.Module] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, averaged weights, history, what was watched and summary to one file.

        It is a safetensors file, its weights named "model/..." in it. Raises `StoreError`.
        """
        file = Path(path).expanduser()
        state = {
            "model": dict(self.model.state_dict()),
            "average": None if self.average is None else dict(self.average.state_dict()),
            "parts": {name: dict(part.state_dict()) for name, part in self.parts.items()},
            **{group: _packed(part) for group, part in self.tree.children.items()},
            "attrs": dict(self.tree.attrs),
        }
        notes = {"kind": _KIND, "summary": json.dumps(self.summary)}
        with explained(file, "written"):
            partial = file.with_name(f"{file.name}.partial")
            replace_file(file, pack_nested(state, notes), partial)

    def __repr__(self) -> str:
        told = [f"{self.summary['method']}: {type(self.model).__name__}"]
        told.append(f"{self.summary['steps']} steps in {self.summary['seconds']:.3g} s")
        if self.summary["stopped"] != "epochs":
            told.append(f"stopped: {self.summary['stopped']}")
        return f"ProgramFit({', '.join(told)})"


def load_fit(
    path: str | os.PathLike[str], model: nn.Module, parts: Mapping[str, nn.Module] | None = None
) -> ProgramFit:
    """Read what `ProgramFit.save` wrote; `model` is filled with the weights.

    The model must be of the same architecture: made as the one that was trained. The averaged
    model, if there is one, is a copy of it. `parts` are modules to fill with what was trained
    beside the model, such as {"guide": guide}; those that are not given are left out.

    Raises `StoreError` when the file is missing, damaged or no fit, `ModelError` when the weights
    belong to another architecture, naming the first that differs.
    """
    import copy

    file = Path(path).expanduser()
    if not file.is_file():
        raise StoreError(f"There is no file {file}.")
    state, notes = unpack_nested(file)
    if notes.get("kind") != _KIND:
        raise StoreError(f"{file} was not written by the `save` of a fit.")
    check_weights(model, state["model"], str(file))
    average = None
    if state["average"] is not None:
        average = copy.deepcopy(model)
        average.load_state_dict(state["average"])
    model.load_state_dict(state["model"])
    filled = dict(parts or {})
    for name, part in filled.items():
        kept = state.get("parts", {})
        if name not in kept:
            known = ", ".join(map(repr, kept)) or "none"
            raise ModelError(f"{file} has no part {name!r} beside the model; it has: {known}.")
        check_weights(part, kept[name], str(file))
        part.load_state_dict(kept[name])
    tree = xr.DataTree()
    tree.attrs.update(state["attrs"])
    tree.children = {
        group: xr.DataTree(_unpacked(state[group])) for group in _GROUPS if group in state
    }
    return ProgramFit(model, tree, average, json.loads(notes["summary"]), filled)


def _packed(group: xr.DataTree) -> dict[str, Any]:
    """Variables of a group: dimensions, values, attributes."""
    return {
        str(name): [list(array.dims), np.asarray(array.values), dict(array.attrs)]
        for name, array in group.to_dataset().variables.items()
    }


def _unpacked(packed: Mapping[str, Any]) -> xr.Dataset:
    variables = {n: xr.Variable(dims, v.numpy(), attrs) for n, (dims, v, attrs) in packed.items()}
    coords = {name: v for name, v in variables.items() if v.dims == (name,) or name == "epoch"}
    return xr.Dataset({n: v for n, v in variables.items() if n not in coords}, coords)


def check_weights(model: Any, weights: Mapping[str, Tensor], where: str) -> None:
    """Raise `ModelError` unless weights have the names and shapes of a module's."""
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"The weights in {where} need the model they belong to, a module made as the trained "
            f"one was, not {type(model).__name__}."
        )
    own = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    stored = {name: tuple(t.shape) for name, t in weights.items()}
    differ = [n for n in {**own, **stored} if own.get(n) != stored.get(n)]
    if not differ:
        return
    name = differ[0]
    here, there = own.get(name, "not there"), stored.get(name, "not there")
    raise ModelError(
        f"The weights are of another architecture: {name!r} is {there} in {where}, {here} in this "
        f"{type(model).__name__}"
        f" ({len(differ)} of {len({**own, **stored})} tensors differ). Make the model as the "
        "trained one was made."
    )
