"""Zoo models with latents that networks decode: they load, are what they say, and learn."""

from __future__ import annotations

import importlib
import inspect
import math
import re

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen import models
from probgen.errors import ModelError
from probgen.models import _digits
from probgen.models.conditional_vae import ConditionalVAE, join
from probgen.models.discrete_vae import DiscreteVAE
from probgen.models.flow_vae import FlowVAE
from probgen.models.hierarchical_vae import HierarchicalVAE
from probgen.models.semi_supervised_vae import SemiSupervisedVAE
from probgen.models.vae import VAE
from probgen.nets.likelihoods import Gaussian

NAMES = (
    "vae", "conv_vae", "beta_vae", "iwae", "conditional_vae", "semi_supervised_vae",
    "hierarchical_vae", "flow_vae", "discrete_vae", "denoising_autoencoder",
)  # fmt: skip


@pytest.fixture(params=NAMES)
def model(request):
    return models.load(request.param)


def part_of(name, part):
    return importlib.import_module(f"probgen.models.{name}").data(part)


def small(name):
    """The zoo's model, with networks that learn in a second."""
    sizes = {"conv_vae": {"channels": (4, 8)}, "discrete_vae": {"latents": 1, "states": 16}}
    kind = type(models.load(name).program)
    torch.manual_seed(0)
    return kind(**sizes.get(name, {"hidden": (64,)}))


def log_joint(program, values, **data):
    trace = poutine.trace(poutine.condition(program, data=values)).get_trace(**data)
    return trace.log_prob_sum()


def test_the_zoo_knows_them_as_learned():
    assert set(models.names(learned=True)) >= set(NAMES)


def test_declaration(model):
    assert type(model.program).__doc__
    assert model.method.learns == "program"
    text = inspect.getdoc(inspect.getmodule(type(model.program)))
    assert re.search(r"^Source: .*", text, re.MULTILINE)
    assert re.search(r"\(\d{4}\)", text)
    assert "Data: " in text


def test_the_data_are_in_the_domain(model):
    assert len(model.data["x"]) == 1200
    some = {name: value[98:102] for name, value in model.data.items()}
    assert pg.check(model.program, some).ok


def test_the_parts_share_no_digit_and_leave_out_none():
    sizes = {part: len(_digits.grey(part)) for part in _digits.PARTS}
    assert sizes == {"train": 1200, "validation": 297, "test": 300}
    every = torch.cat([_digits.grey(part) for part in sizes])
    from sklearn.datasets import load_digits

    assert sorted(every.tolist()) == sorted(load_digits().data.tolist())


def test_independent_pixels_come_to_the_published_number():
    p = (_digits.pixels("train").sum(0) + 1) / 1202
    law = torch.distributions.Bernoulli(p)
    loss = -law.log_prob(_digits.pixels("test")).sum(-1).mean()
    assert float(loss) == pytest.approx(25.21, abs=0.02)


def test_without_data_it_draws_one_case(model):
    pyro.set_rng_seed(0)
    trace = poutine.trace(model.program).get_trace()
    assert trace.nodes["x"]["value"].shape == (1, 64)


@pytest.mark.parametrize("name", NAMES)
def test_learning_makes_new_digits_likelier(name):
    module = small(name)
    method = models.load(name).method
    data = {key: value[-600:] for key, value in part_of(name, "train").items()}
    held_out = part_of(name, "validation")
    fit = pg.fit(
        module, method, data=data, validation=held_out, epochs=6, batch_size=50, seed=1,
        progress=False,
    )  # fmt: skip
    losses = fit.tree["history"]["validation_loss"].values
    assert losses[-1] < losses[0] - 1.0
    assert not torch.equal(next(module.parameters()), next(fit.model.parameters()))


def test_missing_pixels_are_left_out_of_the_density():
    torch.manual_seed(0)
    module, x = VAE(hidden=(8,)).eval(), _digits.pixels("test")[:1].clone()
    z = torch.randn(1, 10)
    whole = module.likelihood.entries(module.decoder(z)).log_prob(x)[0]
    holes = x.clone()
    holes[0, 5:20] = torch.nan
    prior = dist.Normal(0, 1).log_prob(z).sum()
    found = log_joint(module, {"z": z}, x=holes)
    torch.testing.assert_close(found, prior + whole[:5].sum() + whole[20:].sum())
    assert (log_joint(module, {"z": z}, x=x) - found).abs() > 0.1
    module.guide(holes)  # reads what is there


def test_a_linear_vae_is_probabilistic_pca():
    """Tipping and Bishop (1999): the best linear-Gaussian model's likelihood is known exactly."""
    generator = torch.Generator().manual_seed(5)
    rows, pixels, latents = 500, 6, 2
    loading = torch.randn(latents, pixels, generator=generator) * torch.tensor([[0.6], [0.4]])
    x = torch.randn(rows, latents, generator=generator) @ loading + 0.5
    x = x + 0.3 * torch.randn(rows, pixels, generator=generator)
    torch.manual_seed(0)
    module = VAE(pixels, latents, (), Gaussian(pixels, "shared", start=0.5))
    method = pg.SVI(learning_rate=pg.schedules.Cosine(6e-2))
    fit = pg.fit(module, method, data={"x": x}, epochs=200, batch_size=100, seed=1, progress=False)
    exact = ppca_log_likelihood(x, latents)
    decoder, noise = fit.model.decoder[-1], fit.model.likelihood.log_scale.exp()
    with torch.no_grad():
        covariance = decoder.weight @ decoder.weight.T + noise.square() * torch.eye(pixels)
        found = torch.distributions.MultivariateNormal(decoder.bias, covariance).log_prob(x)
    assert exact - 0.05 < float(found.mean()) < exact + 1e-4
    one, more = (
        pg.log_likelihood(fit.model, {"x": x}, pg.ImportanceWeighted(draws=k), seed=1).mean
        for k in (1, 50)
    )
    assert one == pytest.approx(exact, abs=0.05)  # the guide's family holds the posterior
    assert more == pytest.approx(exact, abs=0.05)
    assert ppca_log_likelihood(x, 1) < exact - 0.3  # a latent too few is noticed


def ppca_log_likelihood(x, latents):
    values = torch.linalg.eigvalsh(torch.cov(x.T.double(), correction=0)).flip(0)
    noise = values[latents:].mean()
    logs = values[:latents].log().sum() + (len(values) - latents) * noise.log()
    return float(-0.5 * (len(values) * math.log(2 * math.pi) + logs + len(values)))


def test_layers_of_latents_come_from_each_other():
    torch.manual_seed(0)
    module = HierarchicalVAE(5, (3, 2), (4,)).double()
    x, z1, z2 = torch.ones(1, 5).double(), torch.randn(1, 3).double(), torch.randn(1, 2).double()
    mean, log_scale = module.down[1](z2).chunk(2, -1)
    expected = dist.Normal(0, 1).log_prob(z2).sum()
    expected = expected + dist.Normal(mean, log_scale.exp()).log_prob(z1).sum()
    expected = expected + dist.Bernoulli(logits=module.down[0](z1)).log_prob(x).sum()
    torch.testing.assert_close(log_joint(module, {"z1": z1, "z2": z2}, x=x), expected)
    guide = poutine.trace(module.guide).get_trace(x)
    assert torch.equal(
        guide.nodes["z2"]["fn"].mean, module.up[1](guide.nodes["z1"]["value"])[:, :2]
    )


def test_the_label_chooses_the_decoder():
    torch.manual_seed(0)
    module = ConditionalVAE(5, 3, 2, (4,)).double()
    x, z, y = torch.ones(1, 5).double(), torch.randn(1, 2).double(), torch.tensor([2])
    code = module.decoder(torch.cat([z, torch.tensor([[0.0, 0, 1]]).double()], -1))
    expected = dist.Bernoulli(logits=code).log_prob(x).sum() + dist.Normal(0, 1).log_prob(z).sum()
    torch.testing.assert_close(log_joint(module, {"z": z}, x=x, y=y), expected - math.log(3))
    assert (log_joint(module, {"z": z}, x=x, y=y - 1) - expected + math.log(3)).abs() > 1e-3


def test_join_broadcasts():
    found = join(torch.zeros(2, 1, 3), torch.ones(4, 2, dtype=torch.long))
    assert found.shape == (2, 4, 5)
    assert found[1, 3].tolist() == [0, 0, 0, 1, 1]


def test_a_flow_guide_scores_its_draws_by_the_change_of_variables():
    """Against the Jacobian of the map from noise, by autograd, with a flow that is bent."""
    torch.manual_seed(0)
    module, x = (
        FlowVAE(hidden=(8,), flow_hidden=(8,)).double(),
        _digits.pixels("test")[:3].double(),
    )
    begins = poutine.trace(module.guide).get_trace(x).nodes["z"]
    plain = module.posterior.distribution(module.encoder(x)[:, :20])
    torch.testing.assert_close(
        begins["fn"].log_prob(begins["value"]), plain.log_prob(begins["value"])
    )
    with torch.no_grad():
        for parameter in module.flow.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    site = poutine.trace(module.guide).get_trace(x).nodes["z"]
    code, context = module.encoder(x).split((20, 32), -1)
    to_noise = module.flow(context).transform
    noise = to_noise(site["value"])
    slopes = torch.autograd.functional.jacobian(lambda z: to_noise(z).sum(0), site["value"])
    expected = module.posterior.distribution(code).log_prob(noise)
    expected = expected + torch.linalg.slogdet(slopes.permute(1, 0, 2))[1]
    found = site["fn"].log_prob(site["value"])
    torch.testing.assert_close(found, expected)
    assert (found - plain.log_prob(site["value"])).abs().max() > 0.1  # a flow that does something
    other = poutine.trace(module.guide).get_trace(1 - x).nodes["z"]["fn"].log_prob(site["value"])
    assert (found - other).abs().max() > 1e-3  # it looks at the case


def test_choices_are_summed_out_exactly():
    """The loss is the mean over the guide's states, with no noise in it."""
    module, x = DiscreteVAE(6, 2, 3, hidden=(5,)), torch.eye(6)[:4]
    fit = pg.fit(module, pg.SVI(), data={"x": x}, validation={"x": x}, epochs=1, progress=False)
    assert fit.summary["estimator"] == "enum"
    trained, total = fit.model.eval(), 0.0
    with torch.no_grad():
        q = trained.encoder(x).unflatten(-1, (2, 3)).softmax(-1)
        for first in range(3):
            for second in range(3):
                code = torch.zeros(6)
                code[first] = code[3 + second] = 1
                weight = q[:, 0, first] * q[:, 1, second]
                law = trained.likelihood.entries(trained.decoder(code))
                each = law.log_prob(x).sum(-1) - 2 * math.log(3) - weight.log()
                total = total + (weight * each).mean()
    assert fit.summary["last_validation_loss"] == pytest.approx(-float(total), abs=1e-4)


def test_relaxed_choices_can_be_many():
    torch.manual_seed(0)
    module, x = DiscreteVAE(64, 12, 8, temperature=0.5, hidden=(16,)), _digits.pixels("train")[:20]
    fit = pg.fit(module, pg.SVI(), data={"x": x}, epochs=1, progress=False)
    assert fit.summary["estimator"] in ("trace", "mean_field")
    site = poutine.trace(fit.model.guide).get_trace(x).nodes["z11"]
    torch.testing.assert_close(site["value"].sum(-1), torch.ones(20))


def test_unknown_labels_are_summed_out_and_known_ones_are_not():
    """A linear model without latents to speak of, so that its bound can be written down."""
    torch.manual_seed(0)
    module = SemiSupervisedVAE(6, 3, 1, (5,), weight=0.0)
    with torch.no_grad():
        module.decoder[0].weight[:, 0] = 0  # the latent does nothing,
        module.encoder[-1].weight.zero_()
        module.encoder[-1].bias.zero_()  # and its posterior is its prior
    x, y = torch.eye(6)[:4], torch.tensor([0, -1, 2, -1])
    fit = pg.fit(
        module, pg.SVI(learning_rate=1e-9), data={"x": x, "y": y}, validation={"x": x, "y": y},
        epochs=1, progress=False,
    )  # fmt: skip
    with torch.no_grad():
        each = torch.stack([
            module.likelihood.entries(
                module.decoder(join(torch.zeros(4, 1), torch.eye(3)[k].expand(4, 3)))
            ).log_prob(x).sum(-1) - math.log(3)
            for k in range(3)
        ], -1)  # fmt: skip
        q = module.log_probabilities(x)
        unknown = (q.exp() * (each - q)).sum(-1)
        expected = -(each[0, 0] + unknown[1] + each[2, 2] + unknown[3]) / 4
    assert fit.summary["last_validation_loss"] == pytest.approx(float(expected), abs=1e-4)


def test_missing_labels_may_be_nan_and_are_one_in_twelve_known():
    y = part_of("semi_supervised_vae", "train")["y"]
    assert [int((y == digit).sum()) for digit in range(10)] == [10] * 10
    assert int((y < 0).sum()) == 1100
    module, x = small("semi_supervised_vae"), _digits.pixels("test")[:3]
    holes = torch.tensor([1.0, torch.nan, 3.0])
    names = set(poutine.trace(module).get_trace(x=x, y=holes).nodes)
    assert {"y", "y_unlabelled", "x", "x_unlabelled"} <= names


def test_likelihoods_of_labelled_and_unlabelled_digits_are_asked_for_apart():
    module, x = small("semi_supervised_vae"), _digits.pixels("test")[:40]
    for y in (torch.full((40,), -1), torch.full((40,), 3)):
        found = pg.log_likelihood(module, {"x": x, "y": y}, pg.ImportanceWeighted(2), seed=1)
        assert len(found.cases) == 40
    mixed = torch.tensor([-1, 2] * 20)
    with pytest.raises(ModelError, match="cases of one kind"):
        pg.log_likelihood(module, {"x": x, "y": mixed}, pg.ImportanceWeighted(2), seed=1)


@pytest.mark.slow
def test_the_vae_reaches_its_numbers_on_digits():
    model = models.load("vae")
    fit = pg.fit(model, seed=1, progress=False)
    test = part_of("vae", "test")
    one, ten, many = (
        pg.log_likelihood(fit.model, test, pg.ImportanceWeighted(draws=k), seed=1).mean
        for k in (1, 10, 200)
    )
    assert -one <= 18.7
    assert -many <= 17.8
    assert one < ten < many


@pytest.mark.slow
def test_the_flow_posterior_keeps_up_with_the_normal_one():
    """Standard normal noise and a random flow end at 18.4 nats by 200 weighted draws."""
    model = models.load("flow_vae")
    torch.manual_seed(1)
    fit = pg.fit(FlowVAE(), model.method, data=model.data, epochs=100, seed=1, progress=False)
    found = pg.log_likelihood(
        fit.model, part_of("flow_vae", "test"), pg.ImportanceWeighted(200), seed=1
    )
    assert -found.elbo.mean() <= 18.6
    assert -found.mean <= 18.0


@pytest.mark.slow
def test_unlabelled_digits_help_the_classifier():
    data, test = part_of("semi_supervised_vae", "train"), part_of("semi_supervised_vae", "test")
    known = data["y"] >= 0
    method = models.load("semi_supervised_vae").method

    def accuracy(rows, epochs):
        torch.manual_seed(0)
        fit = pg.fit(SemiSupervisedVAE(), method, data=rows, epochs=epochs, seed=1, progress=False)
        told = fit.model.log_probabilities(test["x"]).argmax(-1)
        return float((told == test["y"]).float().mean())

    alone = accuracy({name: value[known] for name, value in data.items()}, 300)
    both = accuracy(data, 100)
    assert both > alone + 0.02
