import numpy as np
import pytest
import torch

from probgen.diagnose.metrics import Features, featured, fid, kid
from probgen.errors import DataError
from tests.diagnose.metrics.laws import normal


class Doubled:
    name, hash = "doubled", "abc123"

    def features(self, x):
        return 2 * torch.as_tensor(x).flatten(1)


class Short(Doubled):
    def features(self, x):
        return torch.zeros(3, 2)


def test_a_score_tells_how_it_came_about():
    found = fid(normal(100, 0), normal(80, 1), Doubled())
    assert (found.real, found.fake, found.width, found.dtype) == (100, 80, 4, "float64")
    for part in ("FID", "doubled abc123", "100 real and 80 fake rows", "lower is better"):
        assert part in str(found)
    assert "\n" not in str(found)


def test_features_are_made_once_and_taken_again():
    x, y = (featured(normal(100, i), Doubled()) for i in (0, 1))
    assert float(fid(x, y)) == pytest.approx(4 * float(fid(normal(100, 0), normal(100, 1))))


def test_rows_with_nan_are_named():
    x = normal(50, 0)
    x[[3, 17], 1] = np.nan
    with pytest.raises(DataError, match=r"fake: 2 of 50 rows .* \(row 3, 17\)"):
        kid(normal(50, 1), x)


def test_sides_that_do_not_go_together_are_refused():
    with pytest.raises(DataError, match=r"shape \(4,\), one of fake of \(5,\)"):
        fid(normal(50, 0), normal(50, 0, width=5))
    with pytest.raises(DataError, match="one extractor for both"):
        fid(featured(normal(50, 0), Doubled()), Features(normal(50, 0)))
    with pytest.raises(DataError, match=r"made features of shape \(3, 2\) of 50 cases"):
        fid(normal(50, 0), normal(50, 0), Short())
    with pytest.raises(DataError, match="array of numbers"):
        featured(np.array(["a"]))
