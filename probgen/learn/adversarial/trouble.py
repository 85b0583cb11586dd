"""Why a player's loss is not finite: the first thing on the way to it that is not."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from probgen.learn.adversarial.sides import Draw
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.run import Message

__all__ = ["explained"]

_MOST = 10  # rows named


def explained(
    player: str,
    parameters: Mapping[str, Mapping[str, nn.Parameter]],
    draw: Draw,
    metrics: Mapping[str, Tensor],
    terms: Mapping[str, str],
    rows: Tensor | None,
) -> str:
    """What is not finite in a step of `player`.

    `metrics` are those of the step, of which `terms` says what they are; `rows` are the numbers
    of the batch's rows in the data.
    """
    return f"the {player}'s loss is not finite: " + (
        _parameter(parameters)
        or _data(draw.batch, rows)
        or _site("program", draw.fake)
        or _site("guide", draw.real)
        or _term(metrics, terms)
        or "its parts are, and their sum is not"
    )


def _parameter(parameters: Mapping[str, Mapping[str, nn.Parameter]]) -> str:
    for player, owned in parameters.items():
        for name, parameter in owned.items():
            if not torch.isfinite(parameter).all():
                return f"the {player}'s parameter {name!r} is not finite"
    return ""


def _data(batch: Batch, rows: Tensor | None) -> str:
    for name, value in batch.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            bad = (~torch.isfinite(value)).flatten(1).any(1).nonzero().flatten().cpu()
            chosen = (bad if rows is None else rows[bad])[:_MOST]
            where = "the batch" if rows is None else "the data"
            listed = ", ".join(str(int(row)) for row in chosen)
            return f"data[{name!r}] hold NaN or infinity in rows {listed} of {where}"
    return ""


def _site(owner: str, run: Mapping[str, Message]) -> str:
    for name, message in run.items():
        value = message["value"]
        if isinstance(value, Tensor) and not torch.isfinite(value).all():
            return f"the {owner} draws NaN or infinity at the site {name!r}"
    return ""


def _term(metrics: Mapping[str, Tensor], terms: Mapping[str, str]) -> str:
    for name, value in metrics.items():
        if not torch.isfinite(value):
            return f"{name} ({terms.get(name, 'a metric')}) is {float(value):g}"
    return ""
