import numpy as np
import pytest

from probgen.diagnose.metrics import density_coverage, precision_recall
from probgen.diagnose.metrics.distances import kth_nearest
from probgen.errors import DataError, OptionError
from tests.diagnose.metrics.laws import normal, ring


def by_definition(real, fake, k):
    """Precision, recall, density and coverage as in the papers, by whole matrices."""

    def apart(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1)

    real_radius = np.sort(apart(real, real), axis=1)[:, k]
    fake_radius = np.sort(apart(fake, fake), axis=1)[:, k]
    inside = apart(fake, real) <= real_radius[None]
    recalled = (apart(real, fake) <= fake_radius[None]).any(axis=1)
    coverage = apart(real, fake).min(axis=1) <= real_radius
    return (
        inside.any(axis=1).mean(),
        recalled.mean(),
        inside.sum() / k / len(fake),
        coverage.mean(),
    )


@pytest.mark.parametrize("entries", [8_000_000, 150])
def test_they_are_what_the_papers_define(entries, monkeypatch):
    monkeypatch.setattr("probgen.diagnose.metrics.distances._ENTRIES", entries)
    real, fake = normal(60, 0), normal(50, 1, mean=0.7)
    found = (*precision_recall(real, fake, k=4), *density_coverage(real, fake, k=4))
    np.testing.assert_allclose([float(f) for f in found], by_definition(real, fake, 4))


def test_a_sample_is_precise_and_recalled_against_itself():
    x = 1e3 + np.concatenate([normal(80, 0), np.zeros((6, 4))])  # identical rows, far away
    assert [float(f) for f in precision_recall(x, x)] == [1.0, 1.0]
    assert float(density_coverage(x, x).coverage) == 1.0


def test_equal_laws_have_density_one():
    found = density_coverage(normal(1500, 0), normal(1500, 1))
    assert float(found.density) == pytest.approx(1.0, abs=4 * found.density.error)
    assert float(found.coverage) == pytest.approx(1 - 0.5**5, abs=0.02)


def test_lost_modes_lower_recall_and_coverage_and_blur_lowers_precision_and_density():
    real = ring(600, 0)
    good, lost, blurred = ring(600, 1), ring(600, 2, modes=4), ring(600, 3, sd=0.25)
    precision, recall = (
        [float(getattr(precision_recall(real, fake), of)) for fake in (good, lost, blurred)]
        for of in ("precision", "recall")
    )
    density, coverage = (
        [float(getattr(density_coverage(real, fake), of)) for fake in (good, lost, blurred)]
        for of in ("density", "coverage")
    )
    assert min(precision[0], recall[0], density[0], coverage[0]) > 0.9
    assert precision[1] > 0.9
    assert max(recall[1], coverage[1]) < 0.6
    assert max(precision[2], density[2]) < 0.6


def test_a_row_is_no_neighbour_of_itself():
    x = np.array([[0.0], [1.0], [3.0], [7.0]])
    np.testing.assert_allclose(kth_nearest(x, 1), [1.0, 1.0, 4.0, 16.0])


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="density: real has 6 rows, and 7 are the least"):
        density_coverage(normal(6, 0), normal(50, 1))
    with pytest.raises(OptionError, match="k=0"):
        precision_recall(normal(6, 0), normal(50, 1), k=0)
