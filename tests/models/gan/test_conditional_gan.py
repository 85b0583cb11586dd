"""Conditional GAN: draws are of the class that was asked for, as long as the critic sees it."""

from __future__ import annotations

import statistics

import pyro
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.models.gan import ConditionalGAN, conditional_gan
from tests.models.gan import recognised


def test_label_and_noise_make_a_case():
    pyro.set_rng_seed(0)
    model = ConditionalGAN(hidden=(8,))
    nodes = poutine.trace(model).get_trace(y=torch.tensor([3, 7])).nodes
    z = nodes["z"]["value"]
    assert torch.equal(nodes["x"]["value"], model.generator(z, torch.tensor([3, 7])))
    assert not torch.equal(nodes["x"]["value"], model.generator(z, torch.tensor([7, 3])))
    fakes = poutine.trace(poutine.uncondition(model)).get_trace(y=torch.zeros(500)).nodes
    assert fakes["y"]["value"].unique().tolist() == list(range(10))


def test_the_critic_sees_the_label():
    x, y = conditional_gan.data("test").values()
    critic = ConditionalGAN(hidden=(8,)).critic
    assert critic(x, y).shape == (300,)
    assert not torch.equal(critic(x, y), critic(x, 9 - y))


def test_the_judge_knows_digits():
    assert recognised.accuracy() >= 0.97


def agreement(seed, shuffled=False):
    data = conditional_gan.data()
    if shuffled:
        order = torch.randperm(1200, generator=torch.Generator().manual_seed(seed))
        data["y"] = data["y"][order]
    torch.manual_seed(seed)
    fit = pg.fit(
        ConditionalGAN(), conditional_gan.method, data=data, seed=seed, threads=1, watch=None,
        progress=False,
    )  # fmt: skip
    x, y = recognised.of_each_class(fit.model, 100, seed)
    return float((recognised.digits(x) == y).float().mean()), fit.summary["seconds"]


@pytest.mark.slow
def test_digits_are_of_the_class_that_was_asked_for():
    runs = [agreement(seed) for seed in range(3)]
    print("conditional GAN: share of the right class, seconds", runs)
    assert statistics.median(share for share, _ in runs) >= 0.9


@pytest.mark.slow
def test_labels_that_were_shuffled_teach_no_class():
    share, seconds = agreement(0, shuffled=True)
    print("conditional GAN, labels shuffled: share of the right class, seconds", share, seconds)
    assert share == pytest.approx(0.1, abs=0.05)
