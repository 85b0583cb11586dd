"""The surroundings of a run: what is widened, and everything put back, also after a failure."""

from __future__ import annotations

import random

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.poutine.indep_messenger import IndepMessenger
from pyro.poutine.runtime import _DIM_ALLOCATOR, _PYRO_STACK

import probgen as pg
from probgen.declare.environment import double_precision, isolated, tracing, validating
from probgen.declare.program import read_program
from probgen.errors import ModelError
from tests.declare.programs import PROGRAMS, Y, normal_mean

Distribution = torch.distributions.Distribution


def surroundings() -> dict[str, object]:
    """Every global that a run touches."""
    return {
        "dtype": torch.get_default_dtype(),
        "init": Distribution.__init__,
        "iterate": IndepMessenger.__iter__,
        "validate": Distribution._validate_args,
        "pyro": (
            pyro.poutine.is_validation_enabled(),
            pyro.distributions.is_validation_enabled(),
            pyro.infer.is_validation_enabled(),
        ),
        "store": dict(pyro.get_param_store().items()),
        "torch": torch.random.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),
        "python": random.getstate(),
        "stack": list(_PYRO_STACK),
        "dims": list(_DIM_ALLOCATOR._stack),
        "gradients": torch.is_grad_enabled(),
    }


def failing(y):
    pyro.param("left_behind", torch.tensor(1.0))
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)
        for i in pyro.plate("inner", 3):
            pyro.sample(f"z_{i}", dist.Normal(mu, torch.randn(())))
            if i == 1:
                raise KeyError("in the middle of a plate")


def seeding(y):
    pyro.set_rng_seed(3)
    normal_mean(y)


@pytest.mark.parametrize("model", [normal_mean, failing, seeding])
@pytest.mark.parametrize("act", [pg.check, read_program])
def test_globals_are_restored(model, act):
    before = surroundings()
    try:
        act(model, {"y": Y})
    except ModelError:
        assert model is failing
    assert surroundings() == before


@pytest.mark.parametrize("name", ["fixed_parameter", "sequential_plate", "module"])
def test_evaluation_restores_globals(name):
    program = read_program(*PROGRAMS[name])
    values = program.unconstrain()
    before = surroundings()
    program.evaluate(values)
    program.unconstrain(seed=4)
    assert surroundings() == before


@pytest.mark.parametrize("context", [tracing, double_precision, validating])
def test_contexts_restore_globals_when_the_block_fails(context):
    before = surroundings()
    with pytest.raises(RuntimeError, match="inside"), context():
        raise RuntimeError("inside")
    assert surroundings() == before


def fail_after_drawing() -> None:
    pyro.param("left_behind", torch.tensor(1.0))
    raise RuntimeError(f"inside, at {torch.rand(3)}, {np.random.rand()}, {random.random()}")


def test_isolated_restores_random_states_and_parameters_when_the_block_fails():
    before = surroundings()
    with pytest.raises(RuntimeError, match="inside"), isolated(1):
        fail_after_drawing()
    assert surroundings() == before


def test_isolated_with_a_seed_puts_the_generators_of_gpus_back(monkeypatch):
    """A seed of torch is every device's: a training would go on from it on all processes."""
    states = {0: torch.tensor([1]), 1: torch.tensor([2])}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: states[device].clone())
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda new, device: states.update({device: new})
    )
    monkeypatch.setattr(
        torch.cuda,
        "manual_seed_all",
        lambda seed: states.update(dict.fromkeys(states, torch.tensor([seed]))),
    )
    with isolated(7):
        assert [int(state) for state in states.values()] == [7, 7]
    assert [int(state) for state in states.values()] == [1, 2]
    with isolated():
        pass  # nothing is drawn, and nothing asked of a device


def test_isolated_with_a_seed_repeats_every_generator():
    def draw() -> list[float]:
        with isolated(5):
            return [float(torch.rand(())), float(np.random.rand()), random.random()]

    assert draw() == draw()


def test_tracing_switches_validation_off_even_where_it_is_asked_for():
    with tracing():
        assert torch.distributions.Normal(0.0, -1.0, validate_args=True).scale == -1.0
    with pytest.raises(ValueError, match="scale"):
        torch.distributions.Normal(0.0, -1.0, validate_args=True)


NARROW = torch.tensor([1.0, 2.0], dtype=torch.float32)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: NARROW + 1,
        lambda: torch.stack([NARROW, NARROW]),
        lambda: torch.zeros(2, dtype=torch.float32),
        lambda: torch.ones(2, dtype=torch.float64).float(),
        lambda: torch.ones(2, dtype=torch.float64).half(),
        lambda: torch.ones(2, dtype=torch.float64).to(torch.bfloat16),
        lambda: torch.nn.functional.linear(NARROW, torch.ones(2, 2, dtype=torch.float64)),
        lambda: torch.where(NARROW > 1, NARROW, torch.zeros(2, dtype=torch.float64)),
    ],
)
def test_low_precision_is_widened_and_noticed(compute):
    with double_precision() as precision:
        result = compute()
    assert result.dtype == torch.float64
    assert precision.widened


def test_double_precision_leaves_the_rest_alone():
    with double_precision() as precision:
        integers = torch.arange(3) + 1
        doubles = torch.ones(2) * 2.0
    assert integers.dtype == torch.int64
    assert doubles.dtype == torch.float64
    assert not precision.widened


def test_writing_in_place_keeps_the_tensor():
    target = torch.zeros(2, dtype=torch.float32)
    with double_precision():
        target[0] = 3.0
        target.add_(NARROW.double())
    assert target.tolist() == [4.0, 2.0]
    assert target.dtype == torch.float32
