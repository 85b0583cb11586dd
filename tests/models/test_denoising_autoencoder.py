"""The denoising auto-encoder's scores against known ones, and its chain against the data."""

from __future__ import annotations

import pytest
import torch

import probgen as pg
from probgen.models.denoising_autoencoder import DenoisingAutoencoder
from probgen.nets.dense import mlp

MODES = torch.tensor([[-1.5, -1.0], [1.5, -1.0], [0.0, 1.5]])
SPREAD = 0.5


def mixture(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(3, (rows,), generator=generator)
    return MODES[chosen] + SPREAD * torch.randn(rows, 2, generator=generator)


def score_of_mixture(v, spread):
    """Gradient of the log density of three equal normal modes."""
    away = MODES - v[:, None]
    weight = (-away.square().sum(-1) / (2 * spread**2)).softmax(-1)
    return (weight[..., None] * away).sum(1) / spread**2


def compared(found, exact):
    """Mean cosine, and relative error in mean square, of scores."""
    cosine = torch.nn.functional.cosine_similarity(found, exact, dim=-1).mean()
    return float(cosine), float((found - exact).norm() / exact.norm())


def energy_distance(a, b):
    return 2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()


def test_of_normal_data_the_score_is_linear_and_known():
    """x ~ N(0, 1): grad log p(v) = -v / (1 + noise^2), and r(v) = v / (1 + noise^2)."""
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    module = DenoisingAutoencoder(2, 0.5, network=mlp(2, 2, ()))
    method = pg.SVI(learning_rate=pg.schedules.Cosine(2e-2))
    fit = pg.fit(module, method, data={"x": x}, epochs=15, batch_size=100, seed=1, progress=False)
    v = torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(fit.model.denoise(v) - v, 0.25 * fit.model.score(v))
        cosine, error = compared(fit.model.score(v), -v / 1.25)
        assert cosine > 0.99
        assert error < 0.06
        assert compared(module.score(v), -v / 1.25)[1] > 0.3  # before learning
    assert float(fit.model.likelihood.log_scale.detach().exp()) == pytest.approx(
        0.2**0.5, rel=0.03
    )


def test_the_chain_repeats_by_seed_and_moves():
    torch.manual_seed(0)
    module, start = DenoisingAutoencoder(3, 0.5, (4,)), torch.zeros(5, 3)
    one, same = (module.walk(start, 4, torch.Generator().manual_seed(2)) for _ in range(2))
    assert one.shape == (4, 5, 3)
    assert torch.equal(one, same)
    assert (one[1:] != one[:-1]).all()


@pytest.mark.slow
def test_scores_and_chain_on_three_modes():
    module = DenoisingAutoencoder(2, 0.5, (64, 64))
    method = pg.SVI(learning_rate=pg.schedules.Cosine(5e-3))
    fit = pg.fit(
        module, method, data={"x": mixture(100_000, 0)}, epochs=40, batch_size=1000, seed=1,
        progress=False,
    )  # fmt: skip
    noise, fresh = fit.model.noise, mixture(2000, 1)
    v = fresh + noise * torch.randn(2000, 2, generator=torch.Generator().manual_seed(3))
    total = (SPREAD**2 + noise**2) ** 0.5
    with torch.no_grad():
        cosine, error = compared(fit.model.score(v), score_of_mixture(v, total))
        wrong = compared(fit.model.score(v), score_of_mixture(v, SPREAD))
    assert cosine >= 0.99
    assert error <= 0.05
    assert wrong[1] > 0.1  # the score of the data without noise is another
    start = mixture(2000, 2)[torch.zeros(2000, dtype=torch.long)]  # all at one place
    end = fit.model.walk(start, 400, torch.Generator().manual_seed(4))[-1]
    null = torch.tensor([energy_distance(mixture(2000, 10 + i), fresh) for i in range(20)])
    assert energy_distance(end, fresh) < null.mean() + 4 * null.std()
    assert energy_distance(start, fresh) > 100 * null.max()
    with torch.no_grad():
        fit.model.likelihood.log_scale -= 5.0  # a chain of means, without the noise around them
    narrow = fit.model.walk(start, 400, torch.Generator().manual_seed(4))[-1]
    assert energy_distance(narrow, fresh) > null.mean() + 4 * null.std()
