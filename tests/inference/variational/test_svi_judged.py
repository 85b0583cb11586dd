"""What comes after a fit: diagnosis, comparison, calibration, through the calls of all methods."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.inference.variational.svi import SVI

DATA = {"y": torch.tensor([1.0, 2.0, 3.5, 0.2, 2.2])}


def program(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    with pyro.plate("case", 5):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def narrow(y):
    """Two levels that only their sum is known of: mean-field is too narrow."""
    level = pyro.sample("level", dist.Normal(torch.zeros(2), 5.0).to_event(1))
    with pyro.plate("case", 5):
        pyro.sample("y", dist.Normal(level.sum(), 0.2), obs=y)


def test_diagnose_trusts_a_good_guide_and_distrusts_mean_field():
    good = pg.infer(narrow, SVI("multivariate"), data=DATA, seed=1, progress=False)
    assert "Do not trust" not in str(pg.diagnose(good))
    poor = pg.infer(narrow, SVI("mean_field"), data=DATA, seed=1, progress=False)
    told = str(pg.diagnose(poor))
    assert "Do not trust" in told
    assert "Pareto k" in told


def test_diagnose_sees_that_training_ended_too_early():
    method = SVI("mean_field", learning_rate=0.0005, steps=400)
    tree = pg.infer(narrow, method, data=DATA, init={"level": np.array([9.0, 9.0])}, seed=1,
                    progress=False)  # fmt: skip
    assert tree.attrs["converged"] == 0
    assert "standstill" in tree.attrs["notes"]
    assert tree.history.loss.shape == (400,)


@pytest.mark.slow
def test_compare_takes_guides_beside_samplers():
    methods = {"guide": SVI("multivariate", steps=300), "NUTS": pg.NUTS()}
    result = pg.compare(program, methods, data=DATA, budget=200, seeds=1, reference="long",
                        progress=False)  # fmt: skip
    assert {"guide", "NUTS"} <= set(result.table["method"])
    assert "guide" in str(result)


def both(y=None):
    level = pyro.sample("level", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with pyro.plate("case", 5):
        pyro.sample("y", dist.Normal(level.sum(), 0.2), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize(("guide", "right"), [("multivariate", True), ("mean_field", False)])
def test_calibrate_sees_guides_that_are_too_narrow(guide, right):
    method = SVI(guide, steps=600)
    result = pg.calibrate(both, method, data=DATA, replications=60, seed=1, jobs=1, progress=False)
    assert result.passed == right
