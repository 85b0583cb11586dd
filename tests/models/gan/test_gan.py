"""GAN: its critic is a log density ratio, and its program finds the modes."""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

import probgen as pg
from probgen.learn.draws import draw_rows
from probgen.models.gan import GAN, _points, gan
from probgen.nets.dense import DenseCritic

DATA, MADE = dist.Normal(0.0, 1.0), dist.Normal(0.7, 1.3)


class Known(PyroModule):
    """Numbers of a law that is not the data's."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(0.7))

    def forward(self, x=None):
        rows = 1 if x is None else len(x)
        with pyro.plate("case", rows):
            noise = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", pg.Implicit(self.mean + 1.3 * noise), obs=x)


def judged(game):
    """A critic between two known normals: its scores, log p/q, and minus its loss."""
    torch.manual_seed(0)
    method = pg.Adversarial(
        critic=DenseCritic(1, (32, 32)),
        game=game,
        schedule=pg.Alternate(critic=10**6),
        learning_rate=pg.schedules.Cosine(1e-2),
    )
    x = DATA.sample((20000, 1))
    fit = pg.fit(
        Known(), method, data=x, epochs=4, batch_size=200, seed=1, watch=None, progress=False
    )
    assert torch.equal(fit.model.mean, torch.tensor(0.7))  # the program never had its turn
    real, fake = DATA.sample((20000, 1)), MADE.sample((20000, 1))
    with torch.no_grad():
        scores = fit.parts["critic"](torch.cat([real, fake]))
    ratio = (DATA.log_prob(torch.cat([real, fake])) - MADE.log_prob(torch.cat([real, fake])))[:, 0]
    value = -pg.games.NonSaturating().critic(scores[:20000], scores[20000:])
    return scores, ratio, float(value)


def divergence():
    """The Jensen-Shannon divergence of the two normals, nats, by quadrature."""
    x = torch.linspace(-9, 10, 20001).double()
    p, q = DATA.log_prob(x).exp(), MADE.log_prob(x).exp()
    middle = (p + q) / 2
    terms = (p * (p / middle).log() + q * (q / middle).log()) / 2
    return float(torch.trapezoid(terms, x))


def test_the_critic_learns_the_log_density_ratio():
    scores, ratio, value = judged(pg.games.NonSaturating())
    assert torch.corrcoef(torch.stack([scores, ratio]))[0, 1] >= 0.99
    assert value == pytest.approx(2 * divergence() - math.log(4), abs=0.01)
    assert divergence() > 0.04  # far from what a critic that knows nothing would say


def test_another_games_critic_learns_something_else():
    scores, ratio, _ = judged(pg.games.Hinge())
    assert torch.corrcoef(torch.stack([scores, ratio]))[0, 1] < 0.99


def test_points_and_images_by_one_class():
    ring = gan.data("test")["x"][:8]
    assert draw_rows(GAN(hidden=(8,)), {"x": ring}, 0)["x"].shape == (8, 2)
    images = GAN(64, 5, (8,), bounded=True)
    with torch.no_grad():
        images.generator[0][-1].weight.mul_(100.0)
    drawn = draw_rows(images, {"x": torch.zeros(3, 64)}, 0)["x"]
    assert drawn.shape == (3, 64)
    assert 0.9 < drawn.abs().max() <= 1


def test_the_ring_is_a_ring():
    x = gan.data("train")["x"]
    assert x.shape == (6400, 2)
    assert pg.metrics.mode_count(x, _points.ring(), _points.RING_SCALE).modes.value == 8
    distance, mode = torch.cdist(x, _points.ring()).min(1)
    assert float(distance.square().mean() / 2) ** 0.5 == pytest.approx(0.02, rel=0.03)
    assert mode.bincount().min() > 700
    assert torch.equal(x, gan.data("train")["x"])
    assert not torch.equal(x[:2560], gan.data("test")["x"])


def found(centres, scale, seed):
    x = _points.part(centres, scale, "train")["x"]
    torch.manual_seed(seed)
    fit = pg.fit(
        GAN(), gan.method, data=x, epochs=50, batch_size=128, seed=seed, threads=1, watch=None,
        progress=False,
    )  # fmt: skip
    drawn = draw_rows(fit.model, {"x": torch.zeros(2500, 2)}, seed, together=True)["x"]
    modes, near = pg.metrics.mode_count(drawn, centres, scale)
    return modes.value, near.value, fit.summary["seconds"]


@pytest.mark.slow
def test_every_mode_of_the_ring_is_found():
    runs = [found(_points.ring(), _points.RING_SCALE, seed) for seed in range(3)]
    print("GAN, ring: modes, share within 3 sd, seconds", runs)
    assert sorted(modes for modes, *_ in runs)[1] == 8
    assert sorted(near for _, near, _ in runs)[1] > 0.5


@pytest.mark.slow
def test_nearly_every_mode_of_the_grid_is_found():
    runs = [found(_points.grid(), _points.GRID_SCALE, seed) for seed in range(3)]
    print("GAN, grid: modes, share within 3 sd, seconds", runs)
    assert sorted(modes for modes, *_ in runs)[1] >= 22
