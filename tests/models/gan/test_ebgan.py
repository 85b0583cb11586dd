"""EBGAN: the critic's energy is what it fails to reconstruct."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import probgen as pg
from probgen.models.gan import EBGAN, ebgan
from probgen.models.gan.ebgan import EnergyCritic


class Constant(nn.Module):
    """Zeros, whatever comes in."""

    def forward(self, x):
        return torch.zeros_like(x)


def test_the_energy_is_the_distance_to_the_reconstruction():
    torch.manual_seed(0)
    critic, x = EBGAN(hidden=(16,)).critic, ebgan.data("test")["x"][:5]
    back = critic.reconstructed(x)
    assert back.shape == x.shape
    torch.testing.assert_close(critic(x), (back - x).square().sum(1).sqrt())
    perfect = EnergyCritic(nn.Identity(), nn.Identity())
    assert torch.equal(perfect(x), torch.zeros(5))
    assert critic(x).min() > 0.1


def test_gradients_go_through_the_case_on_both_sides():
    """With a target that is cut off nothing would be left where the reconstruction is constant."""
    x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    EnergyCritic(Constant(), nn.Identity())(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[0.6, 0.8]]))


def test_pulling_away_is_over_the_critics_codes_of_fakes():
    (penalty,) = ebgan.method.penalties
    critic = EnergyCritic(nn.Identity(), nn.Identity())

    def term(fakes):
        real = (torch.zeros_like(fakes),)
        at = pg.penalties.Situation(critic, real, (fakes,), encode=critic.codes)
        return float(penalty.term(at))

    assert penalty.step_of == "program"
    assert penalty.weight == 0.1
    assert term(torch.eye(4)) == 0.0
    assert term(torch.eye(4)[:1].repeat(4, 1)) == pytest.approx(1.0)
    assert term(torch.tensor([[1.0, 0.0], [1.0, 1.0]])) == pytest.approx(0.5)  # cos^2, not cos
    fit = pg.fit(
        EBGAN(hidden=(16,)), ebgan.method, data=ebgan.data()["x"][:64], epochs=1, seed=1,
        watch=None, progress=False,
    )  # fmt: skip
    assert 0 < fit.tree["history"]["pulling_away"].values[-1] <= 1


def test_between_equal_sides_the_critic_loses_its_margin():
    game, energies = ebgan.method.game, torch.tensor([0.2, 0.9, 0.4])
    assert float(game.critic(energies, energies)) == pytest.approx(game.margin)
    assert float(game.critic(energies, energies + 0.05)) < game.margin


def test_the_papers_settings():
    model, method, options = ebgan.reproduce()
    assert method.game.margin == 10.0
    assert [type(layer) for layer in model.critic.encoder] == [nn.Linear, nn.ReLU]
    x = model.generator(torch.randn(4, 100))
    assert model.critic.reconstructed(x).shape == x.shape == (4, 784)
    assert model.critic.codes(x).shape == (4, 1024)
    assert options["batch_size"] == 128


def learned(seed, penalties):
    torch.manual_seed(seed)
    method = dataclasses.replace(ebgan.method, penalties=penalties)
    return pg.fit(
        EBGAN(), method, data=ebgan.data(), epochs=150, batch_size=100, seed=seed, watch=None,
        progress=False,
    )  # fmt: skip


@torch.no_grad()
def alike(model, seed):
    """The mean of cos^2 between codes of two draws."""
    z = torch.randn(500, 16, generator=torch.Generator().manual_seed(seed))
    codes = nn.functional.normalize(model.critic.codes(model.generator(z)), dim=1)
    squares = (codes @ codes.T).square()
    return float((squares.sum() - squares.diagonal().sum()) / (500 * 499))


@pytest.mark.slow
def test_noise_has_three_times_the_energy_of_new_digits():
    ratios, losses, codes = [], [], []
    for seed in range(3):
        fit = learned(seed, ebgan.method.penalties)
        noise = 2 * torch.rand(1000, 64, generator=torch.Generator().manual_seed(seed)) - 1
        with torch.no_grad():
            energies = [fit.model.critic(x).mean() for x in (noise, ebgan.data("test")["x"])]
        ratios.append(float(energies[0] / energies[1]))
        losses.append(float(fit.tree["history"]["critic"].values[-10:].mean()))
        codes.append((alike(fit.model, seed), alike(learned(seed, ()).model, seed)))
        print(f"EBGAN seed {seed}: energy of noise over that of digits {ratios[-1]:.2f}, critic's")
        print(f"loss {losses[-1]:.3f}, cos^2 of codes with and without pulling away {codes[-1]}")
    assert torch.tensor(ratios).median() >= 3
    apart, free = torch.tensor(codes).median(0).values
    assert apart < free
