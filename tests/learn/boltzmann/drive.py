"""A learner without the training loop: minibatches in random order, one process."""

from types import SimpleNamespace

import torch

from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.training.schedules import value_at
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream


def learn(machine, method, data, epochs, batch=100, seed=1):
    """Learn from states (cases, width) of the visible layer; returns the learner."""
    learner = BoltzmannLearner(machine, method, batch)
    player = learner.players["machine"]
    steps = epochs * (len(data) // batch)
    loop = SimpleNamespace(stream=Stream(seed), share=1.0, clock=0, plain=True)

    def update(name):
        rate = value_at(player.learning_rate, loop.clock, steps)
        for group in player.optimiser.param_groups:
            group["lr"] = rate
        player.optimiser.step()
        player.optimiser.zero_grad(set_to_none=True)

    loop.update = update
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(data), generator=order).split(batch):
            if len(rows) == batch:
                learner.step(decoded(machine, data[rows]), loop)
                loop.clock += 1
    return learner


def decoded(machine: BoltzmannMachine, states):
    """Values of the visible sites, as batches have them."""
    return machine.decode(0, states)
