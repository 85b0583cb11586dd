"""What both players' losses have beside the game: penalties and codes, and augmentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from probgen.learn.adversarial.setup import Setup
from probgen.learn.adversarial.sides import Draw, is_there, surprise
from probgen.learn.adversarial.situation import Penalty, Situation

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial
    from probgen.learn.training.loop import Loop

__all__ = ["Terms"]

Values = tuple[Tensor, ...]
Found = dict[str, Tensor]


class Terms:
    """Penalties, codes and augmentations of a method, with what they keep between steps.

    Attributes
    ----------
    labels: names of the penalties' metrics.

    """

    def __init__(self, method: Adversarial, setup: Setup, device: torch.device) -> None:
        self._method, self._setup = method, setup
        self.labels = _labels(method.penalties)
        self._penalties = [p.start(device) for p in method.penalties]
        self._augments = [a.start(device) for a in method.augment]
        self._coded = [any(getattr(c, side) for c in method.codes) for side in ("fake", "real")]

    def due(self, player: str, turn: int) -> list[tuple[Penalty, int]]:
        """Penalties of a player that are applied at its turn, with their numbers."""
        return [
            (penalty, number)
            for number, penalty in enumerate(self._method.penalties)
            if penalty.step_of == player and turn % penalty.every == 0
        ]

    def penalised(
        self,
        loss: Tensor,
        due: list[tuple[Penalty, int]],
        at: Situation,
        loop: Loop,
        metrics: Found,
    ) -> Tensor:
        """The loss with the penalties that are due."""
        for penalty, number in due:
            at.state = self._penalties[number]
            term = penalty.term(at)
            metrics[self.labels[number]] = term.detach()
            loss = loss + penalty.every * loop.value(penalty.weight) * term
        return loss

    def coded(
        self,
        loss: Tensor,
        player: str,
        draw: Draw,
        seen: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
        loop: Loop,
        metrics: Found,
    ) -> Tensor:
        """The loss with the surprise of codes, where it teaches the player anything.

        `seen` are the values of the sites, real and fake, that the critic has scored.
        """
        teaches = player in self._setup.owners.guide_with
        on_fakes, on_data = self._coded
        if on_fakes and (teaches or player == "program"):
            sites = self._setup.sides.guide_on_fakes(draw, player == "critic", seen[1])
            for code in self._method.codes:
                if code.fake:
                    term = surprise(sites[code.site])
                    metrics[f"code_{code.site}"] = term.detach()
                    loss = loss + loop.value(code.weight) * term
        if on_data and teaches:
            known = player == "program" and draw.real
            sites = draw.real if known else self._setup.sides.guide_on_data(draw, seen[0])
            for code in self._method.codes:
                if code.real:
                    given = draw.given.get(code.site, draw.batch.get(code.site))
                    term = surprise(sites[code.site], given)
                    # without a label there is nothing to tell; processes must tell the same names
                    if loop.world > 1 or given is None or is_there(given).any():
                        metrics[f"code_{code.site}_real"] = term.detach()
                    loss = loss + loop.value(code.weight) * term
        return loss

    def augmented(self, values: Values, loop: Loop) -> Values:
        """Values of the sites as the critic sees them."""
        if not self._augments:
            return values
        changed = list(values)
        for number, augment in enumerate(self._method.augment):
            for place in self._setup.augmented[number]:
                changed[place] = augment(changed[place], self._augments[number], loop)
        return tuple(changed)

    def observe(self, real: Tensor, loop: Loop, metrics: Found) -> None:
        """Let augmentations look at the scores of real rows."""
        for augment, state in zip(self._method.augment, self._augments, strict=True):
            augment.observe(real, state, loop)
            metrics.update(augment.metrics(state))

    def state(self) -> Found:
        """What is kept between steps."""
        return {key: owner[name] for key, owner, name in self._places()}

    def load_state(self, state: Found) -> None:
        """Go on from what `state` gave."""
        for key, owner, name in self._places():
            owner[name] = state[key].to(owner[name].device)

    def _places(self) -> list[tuple[str, Found, str]]:
        return [
            (f"{kind}{number}.{name}", kept, name)
            for kind, states in (("penalty", self._penalties), ("augment", self._augments))
            for number, kept in enumerate(states)
            for name in kept
        ]


def _labels(penalties: tuple[Penalty, ...]) -> list[str]:
    """Names of the penalties' metrics, numbered where two have one name."""
    names = [penalty.label for penalty in penalties]
    return [
        name if names.count(name) == 1 else f"{name}_{names[: number + 1].count(name)}"
        for number, name in enumerate(names)
    ]
