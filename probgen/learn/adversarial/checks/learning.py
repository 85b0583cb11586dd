"""Draws that must have gradients, and what penalties and augmentations work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probgen.errors import ModelError, OptionError
from probgen.learn.adversarial.augmentations import ADA, Augmentation
from probgen.learn.adversarial.checks.words import family, listed
from probgen.learn.adversarial.penalties import Consistency, Diversity
from probgen.learn.adversarial.penalties.gradients import OnGradient
from probgen.learn.adversarial.sides import Draw, Sides, has_density
from probgen.learn.adversarial.situation import leaves
from probgen.learn.variational.checks import is_factor
from probgen.learn.variational.run import Message, log_prob

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial

__all__ = ["augmented_places", "check_gradients", "check_penalties"]


def check_gradients(sides: Sides, draw: Draw) -> None:
    """Raise `ModelError` for draws that would have to be differentiated and cannot be.

    And for factors of the program, which draws do not follow.
    """
    for name, message in draw.fake.items():
        if is_factor(message):
            raise ModelError(
                f"The factor {name!r} weighs runs of the program, and a game takes draws as they "
                "come: leave it out, or learn by SVI()."
            )
    for owner, run in (("program", draw.fake), ("guide", draw.real)):
        for name, message in run.items():
            if message["is_observed"] or getattr(message["fn"], "has_rsample", False):
                continue
            if has_density(message) and log_prob(message).requires_grad:
                raise ModelError(
                    f"The site {name!r} of the {owner} is {family(message)} with parameters that "
                    "are learned, and its draws have no gradient to learn them by: relax it "
                    "(RelaxedOneHotCategorical, RelaxedBernoulli), make it Implicit, or give it "
                    "fixed parameters."
                )
    for name, message in draw.real.items():
        if name in sides.sites and name not in draw.given and not _learned(message):
            raise ModelError(
                f"The guide's draw of {name!r} ({family(message)}) depends on no parameters: "
                "the game could not teach the guide."
            )
    if not any(_learned(draw.fake[n]) for n in sides.sites if n in draw.fake):
        raise ModelError(
            f"None of the sites compared ({listed(sides.sites)}) depends on the program's "
            "parameters by a draw that can be differentiated: the game could not teach the "
            "program."
        )


def check_penalties(method: Adversarial, critic: nn.Module, sides: Sides, draw: Draw) -> None:
    """Raise `ModelError` for penalties that have nothing to work on."""
    for penalty in method.penalties:
        if isinstance(penalty, Diversity):
            for name in (penalty.site, penalty.latent):
                if name not in draw.fake:
                    raise ModelError(
                        f"Diversity({penalty.site!r}, {penalty.latent!r}): the site {name!r} is "
                        f"not in the program, which has {listed(draw.fake)}."
                    )
        if isinstance(penalty, Consistency) and isinstance(penalty.augment, Augmentation):
            _places(penalty.augment, sides, draw)
        if isinstance(penalty, OnGradient):
            _check_differentiable(penalty, critic, sides, draw)


def augmented_places(method: Adversarial, sides: Sides, draw: Draw) -> list[list[int]]:
    """For each augmentation the places of its sites.

    Raises `ModelError` where it can take none, `OptionError` for a game that it is not for.
    """
    for augment in method.augment:
        if isinstance(augment, ADA) and not method.game.signed:
            raise OptionError(
                f"ADA() follows the sign of the critic's scores of real rows, which says nothing "
                f"in the game {type(method.game).__name__}: take DiffAugment(...), or the game "
                "NonSaturating() or Hinge()."
            )
    return [_places(augment, sides, draw) for augment in method.augment]


def _places(augment: Augmentation, sides: Sides, draw: Draw) -> list[int]:
    called = type(augment).__name__
    real = dict(zip(sides.sites, sides.values(draw)[0], strict=True))
    for name in augment.sites or ():
        if name not in real or not augment.concerns(name, real[name]):
            why = "no site of the game" if name not in real else "nothing it can take"
            raise ModelError(f"{called}(sites=...): {name!r} is {why}.")
    places = [n for n, (name, v) in enumerate(real.items()) if augment.concerns(name, v)]
    if not places:
        takes = "real numbers" if augment.takes(()) else "images, (row, channel, height, width)"
        shapes = [f"{name} {tuple(value.shape)}" for name, value in real.items()]
        raise ModelError(f"{called} takes {takes}; the sites of the game are {', '.join(shapes)}.")
    return places


def _check_differentiable(
    penalty: OnGradient, critic: nn.Module, sides: Sides, draw: Draw
) -> None:
    values = leaves(sides.values(draw)[0])
    inputs = [value for value in values if value.requires_grad]
    scores = critic(*values)
    found: Any = ()
    if inputs and scores.requires_grad:
        found = torch.autograd.grad(scores.sum(), inputs, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise ModelError(
            f"{type(penalty).__name__} differentiates the critic's scores with respect to sites "
            f"of real numbers, and they depend on none of {listed(sides.sites)} in that way: look "
            "for .detach(), argmax or torch.no_grad in the critic, or leave the penalty out."
        )


def _learned(message: Message) -> bool:
    return isinstance(message["value"], Tensor) and message["value"].requires_grad
