"""WGAN-GP: its critic is nearly 1-Lipschitz and tells how far mass is to be moved."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import probgen as pg
from probgen.learn.draws import draw_rows
from probgen.models.gan import GAN, WGANGP, _points, wgan_gp


def test_it_is_the_gan_with_another_game():
    assert issubclass(WGANGP, GAN)
    assert isinstance(wgan_gp.method.game, pg.games.Wasserstein)
    turns = [wgan_gp.method.schedule.turns(step) for step in range(5)]
    assert turns == [(True, False)] * 4 + [(True, True)]


def test_the_critic_measures_the_distance_between_two_points():
    """Data in one place, and a program that has not learned to move: the loss is minus how far."""
    torch.manual_seed(0)
    model = WGANGP(hidden=(32, 32))
    with torch.no_grad():
        for parameter in model.generator[0][-1].parameters():
            parameter.zero_()  # all at the origin
    x = torch.tensor([0.9, 1.2]).expand(2000, 2)  # at 1.5 from it
    method = dataclasses.replace(
        wgan_gp.method,
        schedule=pg.Alternate(critic=10**6),
        penalties=(pg.penalties.GradientPenalty(10.0),),
        learning_rate=pg.schedules.Cosine(5e-3),
    )
    fit = pg.fit(
        model, method, data=x, epochs=15, batch_size=100, seed=1, watch=None, progress=False
    )
    # On the line between, the best slope t of t * 1.5 - 10 (t - 1)^2 is 1 + 1.5 / 20.
    history = fit.tree["history"]["critic"].values
    assert -history[-1] == pytest.approx(1.5 * (1 + 1.5 / 20), rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("centres", "scale"),
    [(_points.ring(), _points.RING_SCALE), (_points.grid(), _points.GRID_SCALE)],
    ids=["ring", "grid"],
)
def test_modes_found(centres, scale):
    """A baseline: the modes found are printed beside what GAN finds."""
    torch.manual_seed(0)
    x = _points.part(centres, scale, "train")["x"]
    fit = pg.fit(
        WGANGP(), wgan_gp.method, data=x, epochs=200, batch_size=256, seed=0, threads=1,
        watch=None, progress=False,
    )  # fmt: skip
    drawn = draw_rows(fit.model, {"x": torch.zeros(2500, 2)}, 0, together=True)["x"]
    found = [score.value for score in pg.metrics.mode_count(drawn, centres, scale)]
    print("WGAN-GP: modes, share within 3 sd, seconds", *found, fit.summary["seconds"])
    assert found[0] >= len(centres) / 2
