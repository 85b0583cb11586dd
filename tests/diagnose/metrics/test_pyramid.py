import numpy as np
import pytest
import torch

from probgen.diagnose.metrics.pyramid import _pyramid, patch_distances
from probgen.errors import DataError


def pictures(rows, seed, roughness):
    """Smooth fields with noise of the finest scale."""
    rng = np.random.default_rng(seed)
    coarse = torch.as_tensor(rng.standard_normal((rows, 1, 8, 8)))
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic")
    return smooth[:, 0] + roughness * torch.as_tensor(rng.standard_normal((rows, 32, 32)))


def test_a_level_holds_what_halving_loses():
    # the filter keeps cos(pi f)^4 of a wave of frequency f, once on the way down and once up
    wave = torch.cos(2 * torch.pi * torch.arange(64) / 16).double().expand(2, 64, 64)
    fine, middle, rest = _pyramid(wave, "real")
    assert [tuple(level.shape[1:]) for level in (fine, middle, rest)] == [
        (1, 64, 64),
        (1, 32, 32),
        (1, 16, 16),
    ]
    lost = fine[..., 16:48, 16:48].square().mean().sqrt() * 2**0.5
    assert float(lost) == pytest.approx(1 - np.cos(np.pi / 16) ** 8, rel=0.02)
    flat = _pyramid(torch.ones(2, 32, 32), "real")
    assert float(flat[0][..., 2:-2, 2:-2].abs().max()) < 1e-12


def test_texture_is_seen_at_its_level_only():
    real = pictures(200, 0, 0.05)
    good, rough = pictures(200, 1, 0.05), pictures(200, 2, 0.5)
    same, other = (patch_distances(real, fake, 16, 64) for fake in (good, rough))
    assert list(same) == [32, 16]
    assert other[32].value > 3 * same[32].value
    assert other[16].value < 2 * same[16].value


def test_other_images_are_refused():
    with pytest.raises(DataError, match="side of 16, 32, 64"):
        patch_distances(np.zeros((30, 28, 28)), np.zeros((30, 28, 28)))
