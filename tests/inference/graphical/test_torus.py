"""The Ising model on a torus: log Z by every engine that gives it, against Kaufman's formula."""

from __future__ import annotations

import numpy as np
import pytest

import probgen as pg
from tests.inference.graphical.kaufman_formula import CRITICAL, ising_torus, kaufman_log_z

COUPLINGS = (0.2, CRITICAL, 0.7)
"""Above, at and below the critical temperature."""


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("side", [4, 6, 8, pytest.param(10, marks=pytest.mark.slow)])
def test_exact(side, coupling):
    tree = pg.infer(ising_torus(side, side, coupling), pg.Exact(), draws=0, seed=1, progress=False)
    exact = kaufman_log_z(side, side, coupling)
    assert tree.attrs["log_evidence"] == pytest.approx(exact, rel=1e-11)
    np.testing.assert_allclose(tree["marginals"]["probability"].values, 0.5, atol=1e-9)


def test_exact_with_unequal_couplings():
    tree = pg.infer(ising_torus(4, 9, 0.3, 0.6), pg.Exact(), draws=0, seed=1, progress=False)
    assert tree.attrs["log_evidence"] == pytest.approx(kaufman_log_z(4, 9, 0.3, 0.6), rel=1e-11)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize(("side", "betas"), [(4, 100), (6, 100), (8, 200), (16, 400)])
def test_annealed_importance(side, betas, coupling):
    """From below and from above; the walk back starts from draws of Swendsen-Wang."""
    tree = pg.infer(
        ising_torus(side, side, coupling), pg.AnnealedImportance(betas=betas), chains=256,
        seed=1, progress=False,
    )  # fmt: skip
    exact = kaufman_log_z(side, side, coupling)
    for which in ("", "_reverse"):
        error = tree.attrs[f"log_evidence{which}_error"]
        assert abs(tree.attrs[f"log_evidence{which}"] - exact) < 5 * error
        assert error < 0.2


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize(("side", "draws"), [(4, 150), (6, 150), (8, 150), (16, 600)])
def test_parallel_tempering(side, draws, coupling):
    tree = pg.infer(
        ising_torus(side, side, coupling), pg.ParallelTempering(), chains=64, draws=draws,
        warmup=150, seed=1, progress=False,
    )  # fmt: skip
    error = tree.attrs["log_evidence_error"]
    assert abs(tree.attrs["log_evidence"] - kaufman_log_z(side, side, coupling)) < 5 * error
    assert error < 0.1
    found = tree["marginals"].to_dataset()
    assert (np.abs(found["probability"] - 0.5) < 5 * found["mcse"]).all()


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_clusters_have_the_energy_that_the_formula_gives(coupling):
    """Swendsen-Wang gives no log Z, but its mean log joint is K d(log Z) / dK."""
    side, step = 16, 1e-4
    slope = kaufman_log_z(side, side, coupling + step) - kaufman_log_z(side, side, coupling - step)
    tree = pg.infer(
        ising_torus(side, side, coupling), pg.SwendsenWang(), chains=32, draws=200, warmup=100,
        seed=1, progress=False,
    )  # fmt: skip
    means = tree["sample_stats"]["log_joint"].values.mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - coupling * slope / (2 * step)) < 5 * error


@pytest.mark.slow
@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize(
    ("method", "options"),
    [
        (pg.AnnealedImportance(betas=150), {"chains": 128}),
        (pg.ParallelTempering(), {"chains": 16, "draws": 150, "warmup": 150}),
    ],
)
def test_error_bars_are_honest(method, options, coupling):
    network, exact = ising_torus(8, 8, coupling), kaufman_log_z(8, 8, coupling)
    scores = []
    for seed in range(24):
        found = pg.infer(network, method, seed=seed, progress=False, **options).attrs
        scores.append((found["log_evidence"] - exact) / found["log_evidence_error"])
    assert 0.6 < np.sqrt(np.mean(np.square(scores))) < 1.5
