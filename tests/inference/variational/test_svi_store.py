"""Stored trainings: broken off and gone on with, they give the bits of an unbroken one."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import OptionError
from probgen.inference.variational import fit, flat
from probgen.inference.variational.svi import SVI
from tests.inference.conformance import make_plan
from tests.inference.targets import SKEWED

DATA = {"y": torch.tensor([1.0, 2.0, 3.5, 0.2, 2.2])}


def program(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfNormal(2.0))
    with pyro.plate("case", len(y)):
        pyro.sample("y", dist.Normal(mu, tau), obs=y)


def fitted(method: SVI, **options):
    return pg.infer(
        program, method, data=DATA, seed=3, draws=60, progress=False, **{"chains": 2, **options}
    )


def broken_off(monkeypatch, at: int) -> None:
    """Ctrl-C at a step, once, with the state kept after every step before."""
    monkeypatch.setattr(flat, "_KEEP_SECONDS", 0.0)
    step, done = fit.Fitting.step, []

    def interrupted(self):
        if self.step_number == at and not done:
            done.append(at)
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(fit.Fitting, "step", interrupted)


@pytest.mark.parametrize(
    "method",
    [
        SVI("multivariate", steps=260),
        SVI("mixture", optimiser="rmsprop", learning_rate=0.02, steps=60, resample=True),
        SVI("iaf", transforms=1, hidden=(4,), steps=60),
    ],
    ids=lambda method: method.guide,
)
def test_a_training_that_was_broken_off_goes_on_to_the_same_bits(method, tmp_path, monkeypatch):
    whole = fitted(method)
    broken_off(monkeypatch, at=method.steps - 25)
    with pytest.raises(KeyboardInterrupt):
        fitted(method, store=tmp_path / "run.zarr")
    tree = pg.resume(tmp_path / "run.zarr", program, progress=False)
    for name in ("mu", "tau"):
        np.testing.assert_array_equal(tree.posterior[name], whole.posterior[name])
    np.testing.assert_array_equal(tree.sample_stats.log_q, whole.sample_stats.log_q)
    np.testing.assert_array_equal(tree.history.loss, whole.history.loss)
    for name in ("elbo", "pareto_k", "steps", "gradient_evaluations_warmup"):
        assert tree.attrs[name] == whole.attrs[name], name


def test_a_finished_run_is_stored_whole_and_can_be_extended(tmp_path):
    method, path = SVI("multivariate", steps=100), tmp_path / "run.zarr"
    stored, plain = fitted(method, store=path), fitted(method)
    np.testing.assert_array_equal(stored.posterior.mu, plain.posterior.mu)
    again = pg.resume(path, program, progress=False)
    np.testing.assert_array_equal(again.posterior.mu, plain.posterior.mu)
    longer = pg.resume(path, program, draws=90, progress=False)
    assert longer.posterior.mu.shape == (2, 90)
    np.testing.assert_array_equal(longer.posterior.mu[:, :60], plain.posterior.mu)


def test_a_state_of_another_guide_is_refused():
    pieces = []
    density = SKEWED.native()
    SVI("mixture", steps=20).run(density, make_plan(density, draws=5, keep=pieces.append))
    with pytest.raises(OptionError, match="does not fit this training"):
        SVI(steps=20).run(density, make_plan(density, draws=5, state=pieces[-1].state))
