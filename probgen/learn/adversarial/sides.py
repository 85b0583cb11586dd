"""The two sides of a game: draws of the program, and data with what the guide draws for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probgen.declare.implicit import Implicit
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.pair import plainly
from probgen.learn.variational.run import Collect, Message, log_prob

__all__ = ["Draw", "Guide", "Sides", "has_density", "is_there", "needs_guide", "surprise"]

Values = tuple[Tensor, ...]
_NONE: Mapping[str, Tensor] = {}


@dataclass(eq=False)
class Draw:
    """One run of the program on a batch, and of the guide where the data lack sites.

    Attributes
    ----------
    fake: messages of the program's sites, observed ones drawn anew.
    given: what the observed sites had been given.
    real: messages of the guide's sites, the data's codes held; empty where it is of no use.
    batch: the data.

    """

    fake: dict[str, Message]
    given: dict[str, Tensor]
    real: dict[str, Message]
    batch: Batch


class Guide:
    """A guide, called with those of its arguments that there are values of.

    Args:
        call: the program.
        codes: sites that are held rather than passed, unless it cannot do without them.

    """

    def __init__(self, call: Callable[..., Any], codes: tuple[str, ...]) -> None:
        self.call = plainly(call)
        inspected = call.forward if isinstance(call, nn.Module) else call
        parameters = inspect.signature(inspected).parameters.values()
        self._any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._codes = codes
        self.arguments = {p.name: p.default is p.empty for p in parameters}

    def run(
        self, values: Mapping[str, Tensor], held: Mapping[str, Message] | None = None
    ) -> dict[str, Message]:
        """Its sites given values of the others, some of them held."""
        passed = {
            name: value
            for name, value in values.items()
            if (self._any or name in self.arguments)
            and (name not in self._codes or self.arguments.get(name, False))
        }
        collect = Collect(held)
        with collect:
            self.call(**passed)
        return collect.sites


class Sides:
    """What a step draws.

    Args:
        model: the program.
        guide: the guide, or None.
        sites: names of the sites compared.
        real_codes: codes that count on data.

    Attributes
    ----------
    from_guide: whether the guide draws sites of the game; `checks` says so.

    """

    def __init__(
        self,
        model: nn.Module,
        guide: Guide | None,
        sites: tuple[str, ...],
        real_codes: tuple[str, ...],
    ) -> None:
        self.model, self.guide, self.sites = model, guide, sites
        self.from_guide = False
        self._codes = real_codes
        self._call = plainly(model)

    def draw(self, batch: Batch, held: Mapping[str, Message] | None = None) -> Draw:
        """Run the program, observed sites drawn anew, and the guide if it is in the game."""
        collect = Collect(held, simulate=True)
        with collect:
            self._call(**batch)
        draw = Draw(collect.sites, collect.observed, {}, batch)
        if self.from_guide:
            draw.real = self.guide_on_data(draw)
        return draw

    def guide_on_data(self, draw: Draw, seen: Mapping[str, Tensor] = _NONE) -> dict[str, Message]:
        """The guide's sites given the data; codes that the data have are held at them.

        `seen` are values to give it in the place of the same ones.
        """
        assert self.guide is not None
        values = {**draw.given, **draw.batch, **seen}
        held: dict[str, Message] = {
            name: {"value": _filled(values[name])} for name in self._codes if name in values
        }
        return self.guide.run({**values, **{n: m["value"] for n, m in held.items()}}, held)

    def guide_on_fakes(
        self, draw: Draw, detach: bool, seen: Mapping[str, Tensor] = _NONE
    ) -> dict[str, Message]:
        """The guide's sites given the program's draws, held at the program's own."""
        assert self.guide is not None
        values = {n: m["value"] for n, m in draw.fake.items() if isinstance(m["value"], Tensor)}
        if detach:
            values = {name: value.detach() for name, value in values.items()}
        values = {**draw.batch, **values, **seen}
        held: dict[str, Message] = {name: {"value": value} for name, value in values.items()}
        return self.guide.run(values, held)

    def values(self, draw: Draw) -> tuple[Values, Values]:
        """Values of the sites, real and fake, in their order."""
        real, fake = [], []
        for name in self.sites:
            if name in draw.given:
                real.append(draw.given[name])
            elif name in draw.real:
                real.append(draw.real[name]["value"])
            else:
                real.append(draw.batch[name])
            fake.append(draw.fake[name]["value"] if name in draw.fake else draw.batch[name])
        return tuple(real), tuple(fake)


def needs_guide(sites: tuple[str, ...], draw: Draw) -> bool:
    """Whether the data lack a site that the program draws."""
    return any(n in draw.fake and n not in draw.given and n not in draw.batch for n in sites)


def has_density(message: Message) -> bool:
    """Whether a site's value can be scored."""
    distribution = message["fn"]
    while hasattr(distribution, "base_dist"):
        distribution = distribution.base_dist
    return not isinstance(distribution, Implicit)


def surprise(message: Message, given: Tensor | None = None) -> Tensor:
    """-E[log density of a site] (nats), over all rows or those with a value in `given`."""
    density = log_prob(message)
    density = density.reshape(len(density), -1).sum(1) if density.dim() else density
    if given is None:
        return -density.mean()
    there = is_there(given)
    return -torch.where(there, density, 0.0).sum() / there.sum().clamp(min=1)


def is_there(given: Tensor) -> Tensor:
    """Rows whose value is known."""
    missing = given.isnan() if given.is_floating_point() else given == -1
    return ~missing.reshape(len(missing), -1).any(1)


def _filled(given: Tensor) -> Tensor:
    """Values with something that a density can be asked for in the place of missing ones."""
    return given.nan_to_num() if given.is_floating_point() else given.clamp(min=0)
