"""A game put together: sites, sides, critic, and whose parameters are whose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyro
from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.learn.adversarial import checks
from probgen.learn.adversarial.once import calls, outermost
from probgen.learn.adversarial.owners import (
    Owners,
    found_critic,
    found_guide,
    holds,
    share_out,
)
from probgen.learn.adversarial.sides import Draw, Guide, Sides, needs_guide
from probgen.learn.evaluating import evaluating
from probgen.learn.variational.run import Message

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial
    from probgen.learn.training.information import DataInfo

__all__ = ["Setup", "make_setup"]

_ROWS = 2  # that program, guide and critic are run on before training


@dataclass(eq=False)
class Setup:
    """What a learner works with.

    Attributes
    ----------
    sides: the draws.
    critic: gives scores; `features` and `encode` are what else it may have.
    owners: parameters and modules of the players.
    shared: layers that both critic and guide call.
    augmented: for each augmentation the places of its sites.
    parts: what is trained beside the model.
    notes: sentences for the summary.

    """

    sides: Sides
    critic: nn.Module
    owners: Owners
    shared: list[nn.Module]
    augmented: list[list[int]]
    parts: dict[str, nn.Module] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def features(self) -> Callable[..., Tensor]:
        """The critic's features of values of the sites."""
        return self.critic.features  # type: ignore[return-value]

    @property
    def encode(self) -> Callable[..., Tensor] | None:
        """The critic's codes of values of the sites."""
        return getattr(self.critic, "codes", None)


def make_setup(method: Adversarial, model: nn.Module, info: DataInfo) -> Setup:
    """Run everything on two rows, check it, and share parameters out.

    Raises `ModelError`, `DataError`, `OptionError`; see `checks`.
    """
    critic = found_critic(method.critic, model)
    call = found_guide(method.guide, model)
    checks.check_critic_has(critic, method)
    checks.check_batch({"program": model, "critic": critic, "guide": call}, info)
    codes = tuple(code.site for code in method.codes)
    guide = None if call is None else Guide(call, codes)
    batch = info.sample(_ROWS)
    with (
        evaluating(model, critic, call, gradients=True),
        isolated(0),
        pyro.validation_enabled(False),
    ):
        sides = Sides(model, guide, method.sites or (), method.unlabelled)
        draw = checks.tried("program", "its observed sites drawn anew", sides.draw, batch)
        sides.sites = method.sites or tuple(draw.given)
        sides.from_guide = needs_guide(sides.sites, draw)
        checks.check_labels(method, sides, info)
        with calls() as by_guide:
            used = _guide_runs(method, sides, draw, guide)
        checks.check_sites(sides, draw, method)
        checks.check_codes(method, sides, draw, used)
        checks.check_guide_sites(sides, draw, method, used)
        checks.check_values(sides, draw)
        checks.check_gradients(sides, draw)
        with calls() as by_critic:
            checks.check_critic(critic, sides, draw)
        checks.check_penalties(method, critic, sides, draw)
        owners = share_out(model, critic, call if used else None, sides, draw, used)
    notes = checks.check_range(sides, draw, info)
    parts: dict[str, nn.Module] = {}
    if not holds(model, critic):
        parts["critic"] = critic
    if isinstance(call, nn.Module) and not holds(model, call) and used:
        parts["guide"] = call
    augmented = checks.augmented_places(method, sides, draw)
    shared = outermost(by_critic & by_guide) if method.codes else []
    return Setup(sides, critic, owners, shared, augmented, parts, notes)


def _guide_runs(
    method: Adversarial, sides: Sides, draw: Draw, guide: Guide | None
) -> list[dict[str, Message]]:
    """Runs of the guide on data and on fakes, as far as the game has a use for them."""
    checks.check_guide_is(method, sides, draw, guide)
    runs = []
    if guide is None:
        return []
    if sides.from_guide:
        draw.real = checks.tried("guide", "the data", sides.guide_on_data, draw)
        runs.append(draw.real)
    elif method.unlabelled:
        runs.append(checks.tried("guide", "the data", sides.guide_on_data, draw))
    if any(code.fake for code in method.codes):
        runs.append(
            checks.tried("guide", "draws of the program", sides.guide_on_fakes, draw, True)
        )
    return runs
