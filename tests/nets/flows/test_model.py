"""Flow models: exact densities in the units of the data, draws, conditions, training, resuming."""

import functools
import math

import pyro
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.errors import DataError
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.model import FlowModel
from probgen.nets.flows.preconditioning import Logit
from tests.nets.flows.test_factory import integral


def normals(rows=4000, seed=0):
    """Correlated normal rows far from 0 and 1, and their law."""
    law = torch.distributions.MultivariateNormal(
        torch.tensor([100.0, -3.0]), torch.tensor([[25.0, 3.0], [3.0, 0.5]])
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return law.sample((rows,)), law


@functools.cache
def fitted(kind="gaussian", rows=4000, epochs=12, rate=1e-2):
    x, law = normals(rows)
    method = MaximumLikelihood(learning_rate=pg.schedules.Cosine(rate))
    fit = pg.fit(FlowModel(kind), method, data=x, epochs=epochs, seed=1, progress=False)
    return fit, x, law


def test_a_normal_is_recovered_in_the_units_of_the_data():
    fit, _, law = fitted()
    test, _ = normals(2000, seed=5)
    with torch.no_grad():
        found = fit.model.log_prob(test)
    gap = float((law.log_prob(test) - found).mean())  # the divergence from the law, nats
    assert abs(gap) < 0.01
    units = float(-fit.model.before[-1].scale.log().sum())
    assert abs(gap - units) > 0.5  # which a forgotten log-determinant would add
    drawn = fit.model.sample(20_000, seed=0)
    torch.testing.assert_close(drawn.mean(0), law.mean, atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), law.covariance_matrix, atol=1.0, rtol=0.1)


def test_the_density_integrates_to_one_in_the_units_of_the_data():
    model = FlowModel("nsf").double().eval()
    model.before[0].start_from(torch.tensor([[0.0, 3.0], [2.0, 7.0], [1.0, -4.0]]).double())
    assert integral(model.log_prob, half=40.0) == pytest.approx(1.0, abs=1e-3)


def test_the_logit_is_part_of_the_density():
    model = FlowModel("maf", before=[Logit(2.0, 5.0)]).double().eval()
    axis = torch.linspace(2.0, 5.0, 201, dtype=torch.float64)
    with torch.no_grad():
        values = model.log_prob(torch.cartesian_prod(axis, axis)).exp().reshape(201, 201)
    whole = float(torch.trapezoid(torch.trapezoid(values, axis), axis))
    inside = float((model.draw(torch.Size((4000,))).detach() % 3 != 2).all(-1).double().mean())
    # alpha leaves some mass beyond the ends, which draws put on them
    assert whole == pytest.approx(inside, abs=0.03)
    x = torch.tensor([[2.5, 4.9], [3.0, 2.1]]).double()
    jacobian = torch.stack(
        [torch.autograd.functional.jacobian(lambda v: model.to_noise(v), row) for row in x]
    )
    expected = torch.linalg.slogdet(jacobian)[1] - 0.5 * model.to_noise(x).square().sum(-1)
    torch.testing.assert_close(model.log_prob(x), expected - math.log(2 * math.pi))


def test_noise_and_rows_are_each_others_inverse():
    fit, x, _ = fitted("maf", 500, epochs=2)
    z = fit.model.to_noise(x)
    torch.testing.assert_close(fit.model.from_noise(z), x, atol=1e-3, rtol=1e-4)
    assert z.mean(0).abs().max() < 0.3


def test_the_program_is_the_density():
    model, (x, _) = FlowModel("realnvp"), normals(7)
    trace = poutine.trace(model).get_trace(x=x)
    torch.testing.assert_close(trace.log_prob_sum(), model.log_prob(x).sum())
    with pyro.plate("more", 5, dim=-2):
        assert model().shape == (5, 1, 2)
    assert any(site["type"] == "param" for site in trace.nodes.values())


def test_a_conditional_flow_follows_its_context():
    random = torch.Generator().manual_seed(0)
    c = torch.randn(3000, 1, generator=random)
    x = torch.cat([2 * c, c.square()], -1) + 0.3 * torch.randn(3000, 2, generator=random)
    model = FlowModel("realnvp", context=1, hidden=(32, 32))
    method = MaximumLikelihood(learning_rate=3e-3)
    fit = pg.fit(model, method, data={"x": x, "c": c}, epochs=12, seed=1, progress=False)
    drawn = fit.model.sample(4000, torch.tensor([1.5]), seed=0)
    torch.testing.assert_close(drawn.mean(0), torch.tensor([3.0, 2.25]), atol=0.15, rtol=0)
    with torch.no_grad():
        right = fit.model.log_prob(x, c).mean()
        wrong = fit.model.log_prob(x, c.flip(0)).mean()
    assert right > wrong + 2
    assert fit.model.sample(3000, c).shape == (3000, 2)
    trace = poutine.trace(fit.model).get_trace(x=x[:5], c=c[:5])
    torch.testing.assert_close(trace.log_prob_sum(), fit.model.log_prob(x[:5], c[:5]).sum())
    with pytest.raises(DataError, match="context"):
        fit.model.log_prob(x)
    with pytest.raises(DataError, match="takes none"):
        FlowModel("maf").log_prob(x, c)


def test_training_stops_early_averages_and_resumes_bit_for_bit(tmp_path):
    x, _ = normals(300)
    options = {"seed": 3, "progress": False, "validation": 0.2, "batch_size": 60}
    whole = pg.fit(FlowModel("maf", hidden=(8,)), MaximumLikelihood(), data=x, epochs=6, **options)
    stored = {"store": tmp_path / "run", "checkpoint_steps": 1}
    pg.fit(
        FlowModel("maf", hidden=(8,)), MaximumLikelihood(), data=x, epochs=6, **options, **stored
    )
    again = pg.resume(tmp_path / "run", FlowModel("maf", hidden=(8,)), data=x, progress=False)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    stopped = pg.fit(
        FlowModel("maf", hidden=(8,)), MaximumLikelihood(learning_rate=0.3), data=x, epochs=60,
        patience=2, ema=0.9, **options,
    )  # fmt: skip
    assert stopped.summary["stopped"] == "patience"
    assert stopped.average is not None
    assert stopped.average.log_prob(x).shape == (300,)


def test_saved_weights_are_the_model(tmp_path):
    fit, x, _ = fitted("nsf", 300, epochs=1)
    fit.save(tmp_path / "flow.safetensors")
    again = pg.load_fit(tmp_path / "flow.safetensors", FlowModel("nsf"))
    torch.testing.assert_close(again.model.log_prob(x), fit.model.log_prob(x))


def test_constant_columns_and_holes_are_refused():
    x, _ = normals(50)
    for bad, words in ((torch.cat([x[:, :1], x[:, 1:] * 0 + 7], -1), "column 1 is 7"),):
        with pytest.raises(DataError, match=words):
            pg.fit(FlowModel("maf"), MaximumLikelihood(), data=bad, epochs=1, progress=False)
    x[3, 1] = math.nan
    with pytest.raises(DataError, match="missing"):
        pg.fit(FlowModel("maf"), MaximumLikelihood(), data=x, epochs=1, progress=False)


def test_imputation_is_exact_for_a_normal():
    fit, _, law = fitted()
    x = torch.tensor([[110.0, math.nan], [math.nan, -2.0], [90.0, -4.0], [math.nan, math.nan]])
    found = fit.model.impute(x, draws=2000, steps=40, seed=0)
    assert found.draws.shape == (2000, 4, 2)
    assert torch.equal(found.draws[:, ~x.isnan()], x[~x.isnan()].expand(2000, -1))
    assert found.acceptance[2] == 1
    assert found.acceptance.min() > 0.4
    mean, cov = law.mean, law.covariance_matrix
    for row, hole in ((0, 1), (1, 0)):
        other = 1 - hole
        gain = cov[hole, other] / cov[other, other]
        centre = mean[hole] + gain * (x[row, other] - mean[other])
        width = (cov[hole, hole] - gain * cov[other, hole]).sqrt()
        drawn = found.draws[:, row, hole]
        assert abs(drawn.mean() - centre) < 0.15 * width
        assert float(drawn.std() / width) == pytest.approx(1, abs=0.08)
        # The marginal, which an imputation without the other column would draw.
        assert abs(drawn.mean() - mean[hole]) > width
    torch.testing.assert_close(found.draws[:, 3].mean(0), mean, atol=0.4, rtol=0)
