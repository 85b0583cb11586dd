"""The state of a training: all that going on from a step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from probgen.learn.training.generators import generator_states, set_generators
from probgen.learn.training.protocol import Learner

if TYPE_CHECKING:
    from probgen.learn.training.train import Training

__all__ = ["cloned", "load_weights", "put_state", "state_of", "weights_of"]

Weights = dict[str, dict[str, Tensor]]
"""State of the model under "", and of the players' modules that are not in the model."""


def state_of(training: Training) -> dict[str, Any]:
    """Of every process its own part; process 0 adds what all have in common (`shared`)."""
    loop, learner = training.loop, training.learner
    own = {
        "clock": loop.clock,
        "stream": [str(loop.stream.seed), loop.stream.position],
        "generators": generator_states(),
        "learner": dict(learner.state()),
    }
    if loop.rank:
        return own
    optimisers = {name: p.optimiser.state_dict() for name, p in learner.players.items()}
    shared = {
        "weights": weights_of(training.model, learner),
        "optimisers": optimisers,
        "averages": {name: a.state_dict() for name, a in loop.averages.items()},
        "steps": training.steps.state(),
        "epochs": {name: np.array(values) for name, values in training.epochs.rows.items()},
        "stopping": None if training.stopping is None else training.stopping.state(),
        "watching": None if training.watching is None else training.watching.state(),
        "stopped": training.stopped,
        "seconds": training.seconds,
    }
    return {**own, "shared": shared}


def put_state(training: Training, own: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
    """Go on from `state_of`; `shared` is that of process 0."""
    loop, learner = training.loop, training.learner
    loop.clock = int(own["clock"])
    loop.stream.seed, loop.stream.position = int(own["stream"][0]), int(own["stream"][1])
    load_weights(training.model, learner, shared["weights"])
    for name, player in learner.players.items():
        player.optimiser.load_state_dict(shared["optimisers"][name])
    for name, average in loop.averages.items():
        average.load_state_dict(shared["averages"][name])
    learner.load_state(own["learner"])
    training.steps.load_state(shared["steps"])
    training.epochs.rows = {name: v.tolist() for name, v in shared["epochs"].items()}
    if training.stopping is not None:
        training.stopping.load_state(shared["stopping"])
    if training.watching is not None and shared.get("watching") is not None:
        training.watching.load_state(shared["watching"])
    training.stopped = "" if shared["stopped"] == "interrupted" else shared["stopped"]
    training.seconds = float(shared["seconds"])
    set_generators(own["generators"])


def weights_of(model: nn.Module, learner: Learner) -> Weights:
    """The weights as they are, not copied."""
    inner = set(model.modules())
    players = {n: p.module for n, p in learner.players.items() if p.module not in inner}
    return {name: dict(m.state_dict()) for name, m in {"": model, **players}.items()}


def load_weights(
    model: nn.Module, learner: Learner, weights: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Put weights from `weights_of` in their places."""
    for name, values in weights.items():
        module = learner.players[name].module if name else model
        module.load_state_dict(dict(values))


def cloned(weights: Weights) -> Weights:
    """A copy of weights."""
    return {
        name: {key: value.detach().clone() for key, value in values.items()}
        for name, values in weights.items()
    }
