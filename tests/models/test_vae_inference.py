"""Posteriors of the latents of a trained decoder: what was hidden, made coarse or blurred."""

from __future__ import annotations

import pytest
import torch

import probgen as pg
from probgen.models.vae import VAE, data, method
from probgen.nets.likelihoods import Gaussian
from probgen.nets.measured import block_means, measured

COUNTS = {"chains": 2, "draws": 500, "warmup": 500, "seed": 1, "progress": False}


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    fit = pg.fit(VAE(hidden=(100,)), method, data=data(), epochs=30, seed=1, progress=False)
    return fit.model.eval()


def draws_of(tree, rows):
    z = torch.from_numpy(tree["posterior"]["z"].values).float()
    return z.reshape(-1, rows, z.shape[-1])


def pixels_of(model, tree, rows):
    """Posterior means of pixels, (row, pixels)."""
    with torch.no_grad():
        return model.decoder(draws_of(tree, rows)).sigmoid().mean(0)


def mean_case(tree):
    """Posterior means of the pixels of a measured case."""
    return torch.from_numpy(tree["posterior"]["x"].values).float().mean((0, 1))


def test_hidden_entries_of_a_linear_decoder_are_inferred_exactly():
    torch.manual_seed(0)
    model = VAE(6, 2, (), Gaussian(6, 0.5)).double()
    x = torch.tensor([[0.3, torch.nan, -1.0, torch.nan, 2.0, torch.nan]]).double()
    tree = pg.infer(model, pg.NUTS(), data={"x": x}, **COUNTS | {"draws": 1000})
    assert tree.attrs["backend"] == "native"
    there = ~x[0].isnan()

    def exact(seen):
        with torch.no_grad():
            w, b = model.decoder[-1].weight[seen], model.decoder[-1].bias[seen]
            covariance = torch.linalg.inv(torch.eye(2).double() + w.T @ w / 0.25)
            return covariance @ w.T @ (x[0].nan_to_num()[seen] - b) / 0.25, covariance

    z = draws_of(tree, 1)[:, 0].double()
    ess = torch.tensor(pg.diagnose(tree).table["ess_bulk"].values)
    mean, covariance = exact(there)
    allowed = 5 * covariance.diagonal().sqrt() / ess.sqrt()
    assert ((z.mean(0) - mean).abs() < allowed).all()
    spread = 5 * (2 / float(ess.min())) ** 0.5 * covariance.max()
    assert (torch.cov(z.T) - covariance).abs().max() < spread
    zeros = exact(torch.ones(6, dtype=torch.bool))[0]  # as if what is missing were 0
    assert ((z.mean(0) - zeros).abs() > allowed).any()


def test_the_hidden_half_of_digits_is_told_better_than_by_the_mean_digit(trained):
    whole, rows = data("test")["x"][:20], 20
    half = whole.clone()
    half[:, 32:] = torch.nan
    tree = pg.infer(trained, pg.NUTS(), data={"x": half}, **COUNTS)
    found = pixels_of(trained, tree, rows)[:, 32:]
    truth, mean = whole[:, 32:], data()["x"].mean(0)[32:]

    def loss(p):
        return float(-torch.distributions.Bernoulli(p).log_prob(truth).sum(-1).mean())

    assert loss(found.clamp(1e-3, 1 - 1e-3)) < loss(mean.expand_as(truth).clamp(0.01, 0.99)) - 1.0
    assert float((found - truth).square().mean()) < 0.9 * float((mean - truth).square().mean())


def test_coarse_digits_are_made_sharper(trained):
    """Super-resolution: block means of 2 x 2 pixels, against the blocks and the mean digit."""
    whole, operator = data("test")["x"][:4], block_means((8, 8), 2)
    errors = []
    for x in whole:
        program = measured(trained, operator, 0.02)
        tree = pg.infer(program, pg.NUTS(), data={"y": operator @ x}, **COUNTS)
        errors.append((mean_case(tree) - x).square().mean())
    coarse = whole @ operator.T @ (operator > 0).float()
    mean = data()["x"].mean(0)
    assert torch.stack(errors).mean() < (coarse - whole).square().mean()
    assert torch.stack(errors).mean() < (mean - whole).square().mean()


def test_noise_is_taken_away(trained):
    """Denoising: every pixel with normal noise as large as the ink itself."""
    generator = torch.Generator().manual_seed(0)
    whole = data("test")["x"][0]
    noisy = whole + torch.randn(64, generator=generator)
    tree = pg.infer(measured(trained, torch.eye(64), 1.0), pg.NUTS(), data={"y": noisy}, **COUNTS)
    found = (mean_case(tree) - whole).square().mean()
    mean = data()["x"].mean(0)
    best = 0.5 * (noisy + mean)  # about the best that looks at one pixel at a time
    assert found < (best - whole).square().mean()
    assert found < (mean - whole).square().mean()
