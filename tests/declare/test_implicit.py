"""Sites without a density behave as any other site but for being scored."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Predictive

import probgen as pg
from probgen.errors import ModelError, OptionError

VALUE = torch.arange(24.0).reshape(4, 3, 2)


def program(x=None, rows=4, events=None):
    with pyro.plate("case", rows if x is None else len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        return pyro.sample("x", pg.Implicit(2 * z, events), obs=x)


def test_shapes_are_rows_and_events():
    assert pg.Implicit(VALUE).batch_shape == (4,)
    assert pg.Implicit(VALUE).event_shape == (3, 2)
    assert pg.Implicit(VALUE, event_dim=1).batch_shape == (4, 3)
    assert pg.Implicit(VALUE, 0).event_shape == ()
    assert pg.Implicit(VALUE[..., 0, 0]).event_shape == ()
    for wrong in (4, -1):
        with pytest.raises(OptionError, match=f"event_dim={wrong}"):
            pg.Implicit(VALUE, wrong)
    with pytest.raises(OptionError, match="give a tensor"):
        pg.Implicit([1.0])


def test_a_draw_is_the_value_and_differentiable():
    value = VALUE.clone().requires_grad_()
    law = pg.Implicit(value)
    assert law.has_rsample
    assert law.rsample() is value
    assert law.rsample((5,)).shape == (5, 4, 3, 2)
    assert law.expand([7, 4]).rsample().shape == (7, 4, 3, 2)
    (gradient,) = torch.autograd.grad(law.rsample((5,)).sum(), value)
    assert (gradient == 5).all()


def test_no_density():
    for error in (ModelError, NotImplementedError):
        with pytest.raises(error, match=r"has no density.*Adversarial, EnergyDistance or MMD"):
            pg.Implicit(VALUE).log_prob(VALUE)
    with pytest.raises(ModelError, match="site 'x' has no density"):
        pg.Implicit(VALUE, site="x").log_prob(VALUE)
    with pytest.raises(ValueError, match="'x'"):
        poutine.trace(program).get_trace(torch.zeros(4, 3)).log_prob_sum()


def test_traced_conditioned_replayed_and_predicted():
    trace = poutine.trace(program).get_trace()
    torch.testing.assert_close(trace.nodes["x"]["value"], 2 * trace.nodes["z"]["value"])
    assert not trace.nodes["x"]["is_observed"]
    given = poutine.trace(program).get_trace(torch.ones(4, 3))
    assert given.nodes["x"]["is_observed"]
    held = poutine.condition(program, {"x": torch.ones(4, 3)})
    assert (poutine.trace(held).get_trace().nodes["x"]["value"] == 1).all()
    again = poutine.trace(poutine.replay(program, trace)).get_trace()
    torch.testing.assert_close(again.nodes["x"]["value"], trace.nodes["x"]["value"])
    assert Predictive(program, num_samples=6)()["x"].shape == (6, 4, 3)


def test_several_draws_in_a_plate_around_the_rows():
    with pyro.plate("draws", 5, dim=-2):
        assert program(events=1).shape == (5, 4, 3)


def test_a_measurement_of_an_implicit_site_has_a_density():
    def measured(y=None):
        x = program()
        with pyro.plate("measured", 4):
            return pyro.sample("y", dist.Normal(x, 0.1).to_event(1), obs=y)

    hidden = poutine.block(measured, hide=["x"])
    total = poutine.trace(hidden).get_trace(torch.zeros(4, 3)).log_prob_sum()
    assert torch.isfinite(total)
