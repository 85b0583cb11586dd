"""Generative models as a user gives them: fits and modules of any family, under labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probgen.declare.modelfile import ModelFile
from probgen.errors import DataError, OptionError
from probgen.learn.program_fit import ProgramFit
from probgen.learn.training.probe import arguments_of, prior_shapes
from probgen.learn.training.source import read_rows
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.flows.model import FlowModel
from probgen.studies.fit_page.program import Program, is_implicit
from probgen.studies.latents.sites import has_latents

__all__ = ["Entry", "are_generative", "read_entries"]

IMPLICIT, MACHINE, FLOW = "implicit", "Boltzmann machine", "flow"
DENSITY, LATENT, PROGRAM = "density", "latent variables", "program"
Transform = Callable[[Tensor], Any]


@dataclass(frozen=True, eq=False)
class Entry:
    """One model: its module, its rows of data by site, and the way to the common space.

    `own` says whether `rows` are of the model's own space, and so go through `transform`, too.
    """

    label: str
    module: nn.Module
    fit: ProgramFit | None
    rows: dict[str, Tensor]
    transform: Transform | None
    own: bool

    @property
    def site(self) -> str:
        """The site compared: the first of the data."""
        return next(iter(self.rows))

    @property
    def parameters(self) -> int:
        """Numbers in the module's parameters, a critic's or guide's included."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def seconds(self) -> float:
        """Of the training; NaN where it is not known."""
        return float("nan") if self.fit is None else float(self.fit.summary["seconds"])

    @property
    def family(self) -> str:
        """What kind of model it is, by what its likelihood is."""
        if isinstance(self.module, Layered):
            return MACHINE
        if is_implicit(Program(self.module, None, 0)) or is_implicit(_on(self)):
            return IMPLICIT
        if callable(getattr(self.module, "log_prob", None)):
            return FLOW if isinstance(self.module, FlowModel) else DENSITY
        return LATENT if has_latents(self.module) else PROGRAM

    def common(self, values: Any, of_data: bool = False) -> Tensor:
        """Rows in the common space. Raises `DataError` when the transform loses rows."""
        values = torch.as_tensor(values).detach().cpu()
        if self.transform is None or (of_data and not self.own):
            return values
        found = torch.as_tensor(self.transform(values))
        if len(found) != len(values):
            raise DataError(
                f"transform[{self.label!r}] made {len(found)} rows of {len(values)}: it takes and "
                "gives a row for each case."
            )
        return found.detach().cpu()


def are_generative(models: Any) -> bool:
    """Whether the first argument of `compare` is a mapping of fits or modules."""
    return (
        isinstance(models, Mapping)
        and bool(models)
        and all(
            isinstance(m, (ProgramFit, nn.Module, ModelFile)) or _is_class(m)
            for m in models.values()
        )
    )


def read_entries(
    models: Mapping[str, Any], data: Any, transform: Mapping[str, Transform] | None
) -> list[Entry]:
    """Every model with its data; see `compare`. Raises `DataError`, `OptionError`."""
    ways = dict(transform or {})
    if unknown := [name for name in ways if name not in models]:
        raise OptionError(f"transform: there is no model {unknown[0]!r}; there are {[*models]}.")
    own = isinstance(data, Mapping) and set(data) >= set(models)
    entries = []
    for label, model in models.items():
        module, fit = _module_of(str(label), model)
        given = data[label] if own else data
        rows = read_rows(given, arguments_of(module), prior_shapes(module))
        whole = rows.take(torch.arange(len(rows)))
        entries.append(Entry(str(label), module, fit, whole, ways.get(label), own))
    counts = {entry.label: len(entry.rows[entry.site]) for entry in entries}
    if len(set(counts.values())) > 1:
        raise DataError(
            f"data: the models have different numbers of rows ({counts}): give the same cases to "
            "each."
        )
    return entries


def _module_of(label: str, model: Any) -> tuple[nn.Module, ProgramFit | None]:
    if isinstance(model, ProgramFit):
        return model.average or model.model, model
    if isinstance(model, nn.Module):
        return model, None
    raise OptionError(
        f"models: {label!r} is {model!r}, which is not trained: give what `fit` returned, or a "
        "learned module."
    )


def _is_class(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, nn.Module)


def _on(entry: Entry) -> Program:
    from probgen.studies.fit_page.cases import Cases

    count = len(entry.rows[entry.site])
    return Program(entry.module, Cases(entry.rows, {}, count, 0), 0)
