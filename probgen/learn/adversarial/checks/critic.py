"""A critic that takes the sites, and has what game and penalties ask it for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probgen.errors import ModelError, OptionError
from probgen.learn.adversarial.penalties import PullingAway
from probgen.learn.adversarial.sides import Draw, Sides

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial
    from probgen.learn.training.information import DataInfo

__all__ = ["check_batch", "check_critic", "check_critic_has"]

_PER_ROW = (nn.modules.batchnorm._BatchNorm,)


def check_critic_has(critic: nn.Module, method: Adversarial) -> None:
    """Raise `ModelError` where game or penalties need more of a critic than scores."""
    needs = []
    if method.game.features:
        needs.append(("features", type(method.game).__name__, "features of them, (row, ...)"))
    if any(isinstance(penalty, PullingAway) for penalty in method.penalties):
        needs.append(("codes", "PullingAway", "its codes of them, (row, ...)"))
    for name, owner, gives in needs:
        if not callable(getattr(critic, name, None)):
            raise ModelError(
                f"{owner} needs the critic's {name}: give {type(critic).__name__} a method "
                f"{name}(*values of the sites) that returns {gives}."
            )


def check_batch(parts: Mapping[str, Any], info: DataInfo) -> None:
    """Raise `OptionError` for batches of one row where rows are normalised by each other.

    `parts` are modules by what they are called; a process without rows is given one.
    """
    whole = info.whole_batch or info.batch_size
    least = 2 * info.world  # two for every process
    left = info.rows % whole
    short = min(whole, info.rows) < least
    if not short and not 0 < left < least:
        return
    by = f", split among {info.world} processes" if info.world > 1 else ""
    what = (
        f"has batches of 1 row{by}"
        if short
        else f"leaves {left} of {info.rows} rows over for the last batch{by}"
    )
    for owner, module in parts.items():
        for name, part in module.named_modules() if isinstance(module, nn.Module) else ():
            if isinstance(part, _PER_ROW) and part.training:
                raise OptionError(
                    f"batch_size={whole} {what}, and the {owner}'s layer {name!r} "
                    f"({type(part).__name__}) normalises rows by the statistics of their batch: "
                    "choose another batch_size, or another normalisation."
                )


def check_critic(critic: nn.Module, sides: Sides, draw: Draw) -> None:
    """Raise `ModelError` unless the critic takes the sites and gives a score for each row."""
    real, fake = sides.values(draw)
    takes = ", ".join(f"{n} {tuple(v.shape)}" for n, v in zip(sides.sites, real, strict=True))
    for side, values in (("real", real), ("fake", fake)):
        try:
            with torch.no_grad():
                scores = critic(*(v.detach() for v in values))
        except Exception as error:
            words = str(error).splitlines()[0] if str(error) else ""
            raise ModelError(
                f"The critic ({type(critic).__name__}) cannot take the {side} values of the sites "
                f"{takes}: {type(error).__name__}: {words}. It is called critic("
                f"{', '.join(sides.sites)}), rows first."
            ) from error
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        if shape != (len(values[0]),):
            cure = ".squeeze(-1) at its end" if shape == (len(values[0]), 1) else "one for each"
            raise ModelError(
                f"The critic ({type(critic).__name__}) gives {shape} for {len(values[0])} rows of "
                f"{takes}: scores have the shape (row,); {cure}."
            )
