"""A trained program as its page needs it: draws of its data, and data decoded from latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.declare.implicit import Implicit
from probgen.errors import ModelError
from probgen.learn.draws import draw_rows, draws_together, simulated
from probgen.learn.evaluating import evaluating
from probgen.learn.labels import label_of
from probgen.learn.training.probe import arguments_of
from probgen.learn.variational.run import Collect
from probgen.nets.flows.model import FlowModel
from probgen.studies.fit_page.cases import Cases, Values

__all__ = ["Program", "is_implicit"]


@dataclass(frozen=True, eq=False)
class Program:
    """A module with rows to run it on: those of `cases`, or such as it draws without data."""

    model: nn.Module
    cases: Cases | None
    seed: int

    def rows(self, count: int) -> Values:
        """Rows of data on the model's device, again from the first where there are too few."""
        if self.cases is None:
            one = self._alone()
            return {name: value.expand(count, *value.shape[1:]) for name, value in one.items()}
        whole = len(next(iter(self.cases.training.values())))
        numbers = torch.arange(count) * whole // count if count <= whole else (
            torch.arange(count) % whole
        )  # fmt: skip
        return {name: self._placed(value[numbers]) for name, value in self.cases.training.items()}

    def draws(self, count: int, seed: int = 0) -> Values:
        """Draws of the data sites, (count, ...) each. Raises `ModelError`."""
        found = draw_rows(self.model, self.rows(count), self.seed + 1000 * seed)
        return {name: value.detach().cpu() for name, value in found.items()}

    def labels(self, draws: Values) -> tuple[str | None, Tensor | None]:
        """What says the class of each of `draws`, and the classes, (draw,); None without such."""
        rows = self.rows(len(next(iter(draws.values()))))
        given = {name: value.cpu() for name, value in draws.items()}
        name = label_of(self.model, rows, given, draws_together(self.model, rows))
        if name is None:
            return None, None
        return name, given.get(name, rows[name].cpu() if name in rows else None)

    def latents(self) -> dict[str, int]:
        """Real latent sites that the data are made of, with the size of a row's vector."""
        if isinstance(self.model, FlowModel):
            return {"noise": self.model.features}
        rows = self.rows(2)
        if not draws_together(self.model, rows):
            return {}
        with evaluating(self.model), isolated(self.seed), pyro.validation_enabled(False):
            _, sites = simulated(self.model, rows)
        return {
            name: m["value"].shape[1]
            for name, m in sites.items()
            if not m["infer"].get("was_observed")
            and not m["is_observed"]
            and m["value"].dim() == 2
            and len(m["value"]) == 2
            and m["value"].is_floating_point()
        }

    def decoded(self, values: Mapping[str, Tensor], count: int) -> Values:
        """The data sites given latents, (count, ...); the others as one and the same draw."""
        if isinstance(self.model, FlowModel):
            with evaluating(self.model):
                context = self.rows(count).get("c")
                context = None if context is None else context[:1].expand(count, -1)
                return {"x": self.model.from_noise(self._placed(values["noise"]), context).cpu()}
        rows = {name: value[:1].expand(count, *value.shape[1:])
                for name, value in self.rows(count).items()}  # fmt: skip
        held = {name: self._placed(value) for name, value in values.items()}
        with evaluating(self.model), isolated(self.seed), pyro.validation_enabled(False):
            _, first = simulated(self.model, rows)
            for name, message in first.items():  # labels and other latents stay the first row's
                value = message["value"]
                free = message["infer"].get("was_observed") and value.dim() > 1
                if name not in held and not free and value.shape[:1] == (count,):
                    held[name] = value[:1].expand_as(value)
            found, _ = simulated(self.model, rows, held)
        return {name: value.cpu() for name, value in found.items()}

    def _alone(self) -> Values:
        with evaluating(self.model), isolated(self.seed), pyro.validation_enabled(False):
            try:
                with Collect() as run:
                    self.model()
            except Exception as error:
                raise ModelError(f"without data the program cannot be run ({error})") from error
        names = arguments_of(self.model)
        return {n: m["value"][:1] for n, m in run.sites.items() if n in names}

    def _placed(self, value: Tensor) -> Tensor:
        first = next(self.model.parameters(), None)
        if first is None:
            return value
        return value.to(first) if value.is_floating_point() else value.to(first.device)


def is_implicit(program: Program) -> bool:
    """Whether a site of the program has no density."""
    try:
        rows = program.rows(2)
        with evaluating(program.model), isolated(0), pyro.validation_enabled(False):
            _, sites = simulated(program.model, rows)
    except Exception:
        return False
    return any(_is_made(message) for message in sites.values())


def _is_made(message: Mapping[str, Any]) -> bool:
    """Whether a site's value is computed, not drawn."""
    law = message["fn"]
    while hasattr(law, "base_dist"):
        law = law.base_dist
    return isinstance(law, Implicit)
