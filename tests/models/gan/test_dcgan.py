"""DCGAN on digits: images as they are, and a smooth way from one to another."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
import torch
from pyro import poutine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import probgen as pg
from probgen.errors import ModelError, ProbgenError
from probgen.learn.draws import evaluating
from probgen.models import _digits
from probgen.models.gan import DCGAN, dcgan
from probgen.studies.latents.sheets import sample_sheet
from probgen.studies.latents.sites import image_of
from tests.models.gan import recognised

SEEDS, WIDTH = (0, 1, 2), 8


def test_latents_make_an_image():
    torch.manual_seed(0)
    model = DCGAN(width=4)
    nodes = poutine.trace(model).get_trace(x=torch.zeros(5, 1, 8, 8)).nodes
    assert nodes["z"]["value"].shape == (5, 20)
    fakes = poutine.trace(poutine.uncondition(model)).get_trace(x=torch.zeros(5, 1, 8, 8)).nodes
    assert torch.equal(fakes["x"]["value"], model.generator(fakes["z"]["value"]))
    with pytest.raises(ModelError, match="density"):
        nodes["x"]["fn"].log_prob(torch.zeros(5, 1, 8, 8))


def test_data_fill_the_range_of_the_generator():
    for part, rows in (("train", 1200), ("validation", 297), ("test", 300)):
        x = dcgan.data(part)["x"]
        assert x.shape == (rows, 1, 8, 8)
        assert (float(x.min()), float(x.max())) == (-1, 1)


def test_pictures_find_the_image():
    image = image_of(DCGAN(width=4), dcgan.data("test"))
    assert (image.site, image.shape) == ("x", (8, 8))
    assert sample_sheet(DCGAN(width=4), 2, 3, seed=0).images.shape == (2, 3, 8, 8)


def test_both_players_learn():
    x = {"x": dcgan.data()["x"][:96]}
    torch.manual_seed(0)
    model = DCGAN(width=4)
    fit = pg.fit(model, dcgan.method, data=x, epochs=2, batch_size=32, seed=1, progress=False)
    for name, before in model.named_parameters():
        assert not torch.equal(before, dict(fit.model.named_parameters())[name]), name


def test_the_papers_networks_and_settings():
    model, method, options = dcgan.reproduce()
    assert (method.learning_rate, method.betas) == (2e-4, (0.5, 0.999))
    assert options["batch_size"] == 128
    with torch.no_grad(), evaluating(model):
        x = poutine.trace(model).get_trace().nodes["x"]["value"]
        assert x.shape == (1, 3, 64, 64)
        assert model.critic(x).shape == (1,)


def test_a_batch_of_one_is_refused_where_there_are_batch_statistics():
    with pytest.raises(ProbgenError, match="batch"):
        pg.fit(DCGAN(width=4), dcgan.method, data=dcgan.data("test"), batch_size=1, progress=False)


def trained(seed: int) -> DCGAN:
    torch.manual_seed(seed)
    fit = pg.fit(
        DCGAN(width=WIDTH), dcgan.method, data=dcgan.data(), seed=seed, threads=1, watch=False,
        progress=False,
    )  # fmt: skip
    return fit.model


def changes(model: DCGAN, pairs: int, steps: int, seed: int) -> tuple[float, float]:
    """Median changes of the class from one latent to another, and in another order of steps."""
    torch.manual_seed(seed)
    ends = torch.randn(2, pairs, 20)
    share = torch.linspace(0, 1, steps)[:, None, None]
    path = (ends[0] * (1 - share) + ends[1] * share) / (share**2 + (1 - share) ** 2).sqrt()
    with torch.no_grad(), evaluating(model):
        images = model.generator(path.reshape(-1, 20))
    classes = recognised.digits(images.reshape(len(images), 64)).reshape(steps, pairs)
    elsewhere = classes.flatten()[torch.randperm(classes.numel())].reshape(steps, pairs)
    return tuple(
        float((order[1:] != order[:-1]).sum(0).float().median()) for order in (classes, elsewhere)
    )


def probed(critic: nn.Module) -> float:
    """Percent of held-out digits that a linear classifier of the critic's layers gets right.

    As in section 5.1 of the paper, with one part of the image where the paper has 4x4.
    """
    held_out = ("validation", "test")
    with evaluating(critic):
        seen = {p: critic.representation(dcgan.data(p)["x"], 1) for p in ("train", *held_out)}
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    linear.fit(seen["train"].numpy(), _digits.labels("train"))
    digits = torch.cat([_digits.labels(part) for part in held_out])
    return 100 * linear.score(torch.cat([seen[part] for part in held_out]).numpy(), digits)


def gained(method: pg.Adversarial, seed: int) -> float:
    """Points that a critic's features gain as it learns."""
    torch.manual_seed(seed)
    model = DCGAN(width=WIDTH)
    before = probed(model.critic)
    fit = pg.fit(
        model, method, data=dcgan.data(), epochs=300, seed=seed, threads=1, watch=False,
        progress=False,
    )  # fmt: skip
    return probed(fit.model.critic) - before


@pytest.mark.slow
def test_a_learned_critic_sees_more_of_digits_than_the_same_before():
    found = [gained(dcgan.method, seed) for seed in SEEDS]
    print("DCGAN: points that a linear classifier of the critic's layers gains", found)
    assert statistics.median(found) >= 5


@pytest.mark.slow
def test_without_the_penalty_it_hardly_does():
    """The probe tells critics apart."""
    found = [gained(replace(dcgan.method, penalties=()), seed) for seed in SEEDS]
    print("DCGAN without R1: points gained", found)
    assert statistics.median(found) < 5


@pytest.mark.slow
def test_between_two_latents_the_digit_changes_at_few_places():
    found = [changes(trained(seed), 100, 17, seed) for seed in SEEDS]
    print("DCGAN: changes of class along 16 steps, and in another order", found)
    assert statistics.median(along for along, _ in found) <= 2
    assert statistics.median(mixed for _, mixed in found) >= 10
