"""Where walkers start, what they bring along, and how their moves make one transition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from probgen.errors import InitialisationError, OptionError
from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.transition import Transition
from probgen.inference.method import Plan

__all__ = ["checked_adaptation", "joined", "sound_start", "tensor", "torch_seed"]


def joined(moves: list[Transition], ensemble: Ensemble, proposals: int) -> Transition:
    """What a transition of several moves puts down."""
    return replace(
        moves[-1],
        ensemble=ensemble,
        acceptance=torch.stack([move.acceptance for move in moves]).mean(0),
        diverging=torch.stack([move.diverging for move in moves]).any(0),
        steps=torch.stack([move.steps for move in moves]).sum(0) + proposals,
    )


def sound_start(ensemble: Ensemble) -> Ensemble:
    """The ensemble; raises `InitialisationError` naming a walker without a finite density."""
    sound = ensemble.sound()
    if not sound.all():
        raise InitialisationError(
            f"Chain {int(torch.nonzero(~sound)[0])} starts where the log density or its gradient "
            "is not finite. Give other starting values (init), or run `check` on the model."
        )
    return ensemble


def checked_adaptation(plan: Plan, dim: int) -> Mapping[str, np.ndarray] | None:
    """What `plan` brings along; raises `OptionError` when it is not of this method and model."""
    given = plan.adaptation
    if given is None:
        return None
    wanted: dict[str, tuple[int, ...]] = {"position": (dim,), "scale": (dim,)}
    for name, shape in {**wanted, "step_size": (), "runs": ()}.items():
        values = np.asarray(given.get(name, np.nan), dtype=float)
        positive = name == "position" or (values > 0).all()
        if values.shape != (plan.chains, *shape) or not (np.isfinite(values).all() and positive):
            raise OptionError(
                f"adapted: what that run learnt ({', '.join(sorted(given))}) does not fit "
                f"FlowMetropolis: it needs {name!r} of shape {(plan.chains, *shape)}, positive."
            )
    return given


def tensor(array: np.ndarray) -> Tensor:
    """A copy in doubles."""
    return torch.from_numpy(np.array(array, dtype=np.float64))


def torch_seed(seed: int) -> int:
    """A seed for torch from any integer, spread over 63 bits."""
    words = np.random.SeedSequence([seed % 2**64, 0xF10B]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))
