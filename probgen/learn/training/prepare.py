"""A training at its first step, made of model, method, data and options."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from probgen.errors import OptionError
from probgen.learn.training.domain import read_domain
from probgen.learn.training.generators import seed_generators
from probgen.learn.training.information import DataInfo
from probgen.learn.training.loader import Loader, split_rows
from probgen.learn.training.loop import Loop
from probgen.learn.training.options import TrainingOptions, chosen_options
from probgen.learn.training.place import Place, place_of
from probgen.learn.training.probe import arguments_of, prior_shapes
from probgen.learn.training.rows import Rows
from probgen.learn.training.source import read_rows
from probgen.learn.training.stopping import Stopping
from probgen.learn.training.train import Training
from probgen.learn.training.watching import Watching
from probgen.nets.stream import Stream

__all__ = ["prepare"]

_RANK = 0x9E3779B97F4A7C15  # keeps the random numbers of processes apart


def prepare(
    model: nn.Module, method: Any, data: Any, validation: Any, options: Mapping[str, Any]
) -> Training:
    """A training at step 0 of a copy of `model`, on the device that options name.

    `validation` is data, a fraction of the rows, or None. Raises `DataError`, `ModelError`,
    `OptionError`.
    """
    names = arguments_of(model)
    shapes = prior_shapes(model)
    whole = read_rows(data, names, shapes)
    chosen = chosen_options(method, options, len(whole))
    place = place_of(chosen)
    copies: dict[int, Any] = {}  # of parts of the model, by identity
    model = copy.deepcopy(model, copies).to(place.device, place.dtype)
    method = method.beside(copies) if hasattr(method, "beside") else method
    dtype = _type_of(model)
    place.same([*model.parameters(), *model.buffers()])
    missing = bool(getattr(method, "takes_missing", False))
    unlabelled = tuple(getattr(method, "unlabelled", ()))
    domain = read_domain(model, whole, dtype, missing, place.device, unlabelled)
    domain.check_rows(whole, place.device)
    training, held_out = _split(whole, validation, names, shapes, chosen.seed)
    if held_out is not None and held_out.types is not whole.types:
        held_out.types.update(whole.types)
        domain.check_rows(held_out, place.device)
    chosen = dataclasses.replace(chosen, batch_size=min(chosen.batch_size, len(training)))
    seed_generators(chosen.seed + place.rank * _RANK)
    stream = Stream(chosen.seed + place.rank * _RANK)
    loader = _loader(training, chosen, place)
    total = chosen.epochs * loader.steps
    first = training.take(torch.zeros(1, dtype=torch.long))
    info = DataInfo(
        rows=len(training),
        shapes={name: tuple(value.shape[1:]) for name, value in first.items()},
        batch_size=-(-chosen.batch_size // place.world),
        steps=total,
        device=place.device,
        data=training,
        whole_batch=chosen.batch_size,
        world=place.world,
    )
    learner = method.learner(model, info, chosen)
    for player in learner.players.values():
        place.same([*player.module.parameters(), *player.module.buffers()])
    loop = Loop(learner.players, place, stream, loader.steps, total, chosen.clip, chosen.ema)
    judged = None if held_out is None else _loader(held_out, chosen, place, shuffle=False)
    stopping = _stopping(learner, chosen, judged is not None, method)
    watching = None
    if chosen.watch is not None and place.rank == 0:
        watching = Watching(chosen.watch, training, loader.steps, total)
    return Training(model, learner, loop, loader, chosen, domain, judged, stopping, watching)


def _type_of(model: nn.Module) -> torch.dtype:
    """Of a module's parameters."""
    floating = (p.dtype for p in model.parameters() if p.is_floating_point())
    return next(floating, torch.get_default_dtype())


def _loader(rows: Rows, options: TrainingOptions, place: Place, shuffle: bool = True) -> Loader:
    return Loader(
        rows, options.batch_size, options.seed, place.rank, place.world, shuffle, place.device
    )


def _split(
    whole: Rows, validation: Any, names: list[str], shapes: Mapping[str, Any], seed: int
) -> tuple[Rows, Rows | None]:
    """Rows to train on, and rows to validate on if there are any."""
    if validation is None:
        return whole, None
    if not isinstance(validation, (int, float)):
        return whole, read_rows(validation, names, shapes)
    if not 0 < validation < 1 or len(whole) < 2:
        raise OptionError(
            f"validation={validation!r}: give data, or the fraction of the rows to hold out, "
            "between 0 and 1, of at least 2 rows."
        )
    return split_rows(whole, float(validation), seed)


def _stopping(
    learner: Any, options: TrainingOptions, judged: bool, method: Any
) -> Stopping | None:
    if judged and not hasattr(learner, "validate"):
        raise OptionError(f"{method.name} has no metrics of validation: leave validation out.")
    if options.patience is None:
        return None
    if not judged:
        raise OptionError(
            f"patience={options.patience}: early stopping watches validation data; give them, or "
            "a fraction, as validation=0.1."
        )
    return Stopping(options.patience, getattr(learner, "criterion", None))
