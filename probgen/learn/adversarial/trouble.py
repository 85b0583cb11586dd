"""Why a player's loss is not finite: the first thing on the way to it that is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from probgen.learn.adversarial.sides import Draw, Sides
from probgen.learn.variational.run import Message

__all__ = ["Trouble"]

_MOST = 10  # rows named
_FAR = 1e6  # draws so many times as large as data are the program's fault
_GROWN = 1e6  # parameters that no training needs


@dataclass(eq=False)
class Trouble:
    """A step whose loss is not finite.

    Attributes
    ----------
    sides: of the game, and the `draw` of the step.
    parameters: of both players, by name.
    judged: scores, or features, that the critic gave the "real" and the "fake" rows.
    metrics: those of the step so far; `terms` says what they are.
    rows: the numbers of the batch's rows in the data, where they are known.

    """

    sides: Sides
    parameters: Mapping[str, Mapping[str, nn.Parameter]]
    draw: Draw
    judged: Mapping[str, Tensor]
    metrics: Mapping[str, Tensor]
    terms: Mapping[str, str]
    rows: Tensor | None

    def explained(self, player: str) -> str:
        """What is not finite in a step of `player`, and which player is at fault."""
        return f"the {player}'s loss is not finite: " + (
            self._parameter()
            or self._data()
            or self._site("program", self.draw.fake)
            or self._site("guide", self.draw.real)
            or self._score()
            or self._term()
            or "its parts are, and their sum is not"
        )

    def _parameter(self) -> str:
        for player, owned in self.parameters.items():
            for name, parameter in owned.items():
                if not torch.isfinite(parameter).all():
                    return f"the {player}'s parameter {name!r} is not finite"
        return ""

    def _data(self) -> str:
        for name, value in self.draw.batch.items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                bad = (~torch.isfinite(value)).flatten(1).any(1).nonzero().flatten().cpu()
                chosen = (bad if self.rows is None else self.rows[bad])[:_MOST]
                where = "the batch" if self.rows is None else "the data"
                listed = ", ".join(str(int(row)) for row in chosen)
                return f"data[{name!r}] hold NaN or infinity in rows {listed} of {where}"
        return ""

    def _score(self) -> str:
        """What the critic cannot score: draws that have run away, or else it has itself."""
        for side, scores in self.judged.items():
            given = _largest(scores)
            if math.isfinite(given):
                continue
            for site, *both in zip(self.sides.sites, *self.sides.values(self.draw), strict=True):
                known, drawn = map(_largest, both)
                if side == "fake" and drawn > _FAR * max(known, 1.0):
                    return (
                        f"the program is at fault, which draws {drawn:.2g} at the site {site!r}, "
                        f"where the largest of the data is {known:.2g}: the critic gives {given:g}"
                    )
            rows = "rows of the data" if side == "real" else "draws that are finite"
            return f"the critic is at fault, which gives {given:g} for {rows}{self._grown()}"
        return ""

    def _term(self) -> str:
        for name, value in self.metrics.items():
            if not torch.isfinite(value):
                what = self.terms.get(name, "a metric")
                return f"{name} ({what}) is {float(value):g}{self._grown()}"
        return ""

    def _site(self, owner: str, run: Mapping[str, Message]) -> str:
        for name, message in run.items():
            value = message["value"]
            if isinstance(value, Tensor) and not torch.isfinite(value).all():
                return f"the {owner} draws NaN or infinity at the site {name!r}{self._grown()}"
        return ""

    def _grown(self) -> str:
        """The largest parameter, where it is so beyond reason, and the option that made it so."""
        sizes = {
            (_largest(parameter), player, name)
            for player, owned in self.parameters.items()
            for name, parameter in owned.items()
            if parameter.numel()
        }
        size, player, name = max(sizes)
        if size < _GROWN:
            return ""
        rate = "critic_learning_rate" if player == "critic" else "learning_rate"
        return f"; the {player}'s parameter {name!r} has grown to {size:.2g}: lower {rate}"


def _largest(values: Tensor) -> float:
    """The largest size of any entry; NaN where one is."""
    return float(values.detach().double().abs().max())
