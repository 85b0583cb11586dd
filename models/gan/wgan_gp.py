"""Wasserstein GAN with gradient penalty: how far points are to be moved.

Source: Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville (2017), "Improved training of
Wasserstein GANs", NeurIPS; Arjovsky, Chintala and Bottou (2017), "Wasserstein generative
adversarial networks", ICML.
Data: made here, 8 normals on a ring (Metz et al. 2017).

The critic's loss is E D(G(z)) - E D(x) + weight E (|grad D(u)| - 1)^2 with u uniform on the line
between a point of the data and one of the program, and the norm taken of each u by itself; the
program's is -E D(G(z)). The critic takes five minibatches for one of the program. Checked: between
two points the critic's loss is minus their distance, as far as the penalty lets it be.
"""

from __future__ import annotations

from typing import Any

import probgen as pg
from probgen.models.gan.gan import GAN, data

__all__ = ["WGANGP", "data", "method", "reproduce"]

method = pg.Adversarial(
    game=pg.games.Wasserstein(),
    penalties=(pg.penalties.GradientPenalty(1.0),),
    schedule=pg.Alternate(critic=5),
    learning_rate=pg.schedules.Cosine(1e-3),
    betas=(0.5, 0.9),
)


class WGANGP(GAN):
    """The program of `GAN`; its critic measures a distance instead of telling apart."""


def reproduce() -> tuple[WGANGP, pg.Adversarial, dict[str, Any]]:
    """Model, method and options of `fit` for the paper's points: `data()["x"] / 2**0.5`.

    As in gan_toy.py of github.com/igul222/improved_wgan_training, whose layers started from
    weights of He et al. (2015).
    """
    model = WGANGP(latents=2, hidden=(512, 512, 512))
    paper = pg.Adversarial(
        game=pg.games.Wasserstein(),
        penalties=(pg.penalties.GradientPenalty(0.1),),
        schedule=pg.Alternate(critic=5),
        learning_rate=1e-4,
        betas=(0.5, 0.9),
    )
    return model, paper, {"epochs": 6000, "batch_size": 256}
