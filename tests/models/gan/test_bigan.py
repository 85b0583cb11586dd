"""BiGAN: the encoder and the generator become each other's inverse, if the critic sees pairs."""

from __future__ import annotations

import dataclasses

import pyro
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.models.gan import BiGAN, bigan
from probgen.nets.dense import DenseCritic

MIX = torch.tensor([[1.5, 0.7], [0.0, 0.6]])


def warped(rows, seed):
    """A normal in the plane, bent."""
    u = torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed)) @ MIX
    return u + 0.3 * u.flip(1).tanh()


class Blind(DenseCritic):
    """A critic of pairs that does not look at the second."""

    def forward(self, x, z):
        return super().forward(x, 0.0 * z)


def errors(model):
    """E |E(G(z)) - z|^2 per latent, and E |G(E(x)) - x|^2 relative to the variance of x."""
    z, x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(7)), warped(4000, 8)
    with torch.no_grad():
        forth = (model.encoder(model.generator(z)) - z).square().mean()
        back = (model.generator(model.encoder(x)) - x).square().mean() / x.var(0).mean()
    return float(forth), float(back)


def learned(seed, critic=None):
    torch.manual_seed(seed)
    model = BiGAN(2, 2, (96, 96), bounded=False, critic=critic)
    rows = warped(20_000, 100 + seed)
    options = {"epochs": 12, "batch_size": 256, "watch": None, "progress": False}
    return errors(pg.fit(model, bigan.method, data=rows, seed=seed, **options).model)


def test_the_guide_draws_what_the_data_lack():
    model, x = BiGAN(hidden=(16,)), bigan.data("test")["x"][:3]
    site = poutine.trace(model.guide).get_trace(x).nodes["z"]
    assert torch.equal(site["value"], model.encoder(x))
    fakes = poutine.trace(poutine.uncondition(model)).get_trace(x).nodes
    assert torch.equal(fakes["x"]["value"], model.generator(fakes["z"]["value"]))
    assert fakes["x"]["value"].abs().max() <= 1


def test_the_encoder_learns_with_the_generator_and_the_critic_against_both():
    pyro.set_rng_seed(0)
    model = BiGAN(hidden=(16,))
    still = dataclasses.replace(bigan.method, critic_learning_rate=1e-12)
    x = bigan.data()["x"][:64]
    fit = pg.fit(model, still, data=x, epochs=1, seed=1, watch=None, progress=False)
    before, after = model.state_dict(), fit.model.state_dict()
    moved = {
        part: max(float((after[n] - before[n]).abs().max()) for n in before if n.startswith(part))
        for part in ("generator", "encoder", "critic")
    }
    assert moved["generator"] > 1e-4
    assert moved["encoder"] > 1e-4
    assert moved["critic"] < 1e-9
    critic, program = fit.tree["history"]["critic"].values, fit.tree["history"]["program"].values
    assert (critic > 0).all()
    assert (program > 0).all()


def test_the_papers_networks_have_the_papers_sizes():
    model, method, options = bigan.reproduce()
    x = torch.rand(4, 784)
    with torch.no_grad():
        pair = model.generator(torch.randn(4, 50)), model.encoder(x)
        assert model.critic(x, pair[1]).shape == (4,)
    assert pair[0].shape == x.shape
    assert 0 <= float(pair[0].min()) <= float(pair[0].max()) <= 1
    assert pair[1].shape == (4, 50)
    assert options == {"epochs": 400, "batch_size": 128}
    total = 400 * 391
    rates = [method.learning_rate.at(step, total) for step in (0, 200 * 391, total)]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-6])


@pytest.mark.slow
def test_generator_and_encoder_are_each_others_inverse():
    found = torch.tensor([learned(seed) for seed in range(3)])
    print("BiGAN |E(G(z)) - z|^2, relative |G(E(x)) - x|^2:", found.tolist())
    forth, back = found.median(0).values
    assert forth <= 0.25
    assert back <= 0.35


@pytest.mark.slow
def test_a_critic_of_the_data_alone_teaches_the_encoder_nothing():
    torch.manual_seed(0)
    forth, back = learned(0, Blind(4, (96, 96)))
    print("BiGAN with a blind critic:", forth, back)
    assert forth > 0.5
    assert back > 0.7


@pytest.mark.slow
def test_digits_come_back():
    """New digits through encoder and generator are nearer to themselves than to other digits."""
    torch.manual_seed(0)
    model = pg.fit(BiGAN(), bigan.method, data=bigan.data(), epochs=100, seed=1, watch=None,
                   progress=False).model.eval()  # fmt: skip
    x = bigan.data("test")["x"]
    with torch.no_grad():
        back = model.generator(model.encoder(x))
    rank = (torch.cdist(back, x) < (back - x).norm(dim=1)[:, None]).sum(1)
    print("BiGAN digits: median rank of the own digit of 300:", float(rank.float().median()))
    assert rank.float().median() < 30
