"""The dry run of callables, gradients that are no slopes, improper sites and data frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg

REAL = dist.constraints.real


def half_square(mu):
    return -0.5 * float(mu) ** 2


def messages(model, data=None):
    return [problem.message for problem in pg.check(model, data).problems]


def test_callables_without_fault_pass():
    assert messages(pg.density(half_square, {"mu": ()}, gradient="numeric")) == []
    good = pg.density(lambda mu: (half_square(mu), -mu), {"mu": ()}, gradient="returned")
    assert messages(good) == []


@pytest.mark.parametrize(
    ("function", "gradient", "said"),
    [
        (lambda mu: (half_square(mu), mu), "returned", "gradient with respect to site 'mu'"),
        (lambda mu: half_square(mu), "returned", "must return"),
        (lambda mu: float("nan"), "numeric", "not finite at 10 of 10 points"),
        (lambda mu: 1 / 0, "numeric", "raises ZeroDivisionError"),
        (lambda mu: None, "torch", "it returned NoneType"),
    ],
)
def test_faults_of_callables_are_named(function, gradient, said):
    found = messages(pg.density(function, {"mu": ()}, gradient=gradient))
    assert len(found) == 1
    assert said in found[0]


def test_infer_warns_of_a_gradient_that_is_no_slope():
    wrong = pg.density(lambda mu: (half_square(mu), mu), {"mu": ()}, gradient="returned")
    with pytest.warns(UserWarning, match="gradient with respect to site 'mu' is wrong"):
        tree = pg.infer(
            wrong, pg.NUTS(max_tree_depth=2), chains=1, draws=5, warmup=5, seed=1, progress=False
        )
    assert "is wrong" in tree.attrs["notes"]


def improper(y, bounded):
    a = pyro.sample("a", dist.ImproperUniform(REAL, (), ()))
    b = pyro.sample("b", dist.Normal(0.0, 1.0))
    pyro.factor("f", -0.5 * (y - a) ** 2 if bounded else torch.nn.functional.logsigmoid(a))
    pyro.sample("z", dist.Normal(b, 1.0), obs=torch.tensor(0.0) * y)


def test_improper_sites_are_faulted_only_where_nothing_bounds_them():
    assert not [m for m in messages(improper, {"y": 1.0, "bounded": True}) if "improper" in m]
    found = [m for m in messages(improper, {"y": 1.0, "bounded": False}) if "improper" in m]
    assert len(found) == 1
    assert "'a'" in found[0]
    assert "larger values" in found[0]


def test_a_number_that_sets_a_size_alone_is_used():
    def program(y, count):
        effects = pyro.sample("effects", dist.Normal(0.0, 1.0).expand([count]).to_event(1))
        pyro.sample("y", dist.Normal(effects[0], 1.0), obs=y)

    assert not [m for m in messages(program, {"y": 1.0, "count": 3}) if "not used" in m]


def test_a_data_frame_stands_for_its_columns():
    def program(x, y):
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        with pyro.plate("row", len(y)):
            pyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)

    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    assert pg.check(program, frame).ok
    assert list(pg.describe(program, frame).data) == ["x", "y"]


def test_starts_outside_the_support_are_named_without_a_table_of_shapes():
    def program(y):
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        pyro.sample("y", dist.Normal(0.0, scale), obs=y)

    with pytest.raises(pg.errors.InitialisationError, match="'scale'") as raised:
        pg.infer(program, data={"y": 1.0}, init={"scale": -1.0}, progress=False)
    assert "Trace Shapes" not in str(raised.value)
    with pytest.raises(pg.errors.OptionError, match="adapted: this holds no adaptation"):
        pg.infer(program, data={"y": np.float64(1.0)}, adapted=3, progress=False)
