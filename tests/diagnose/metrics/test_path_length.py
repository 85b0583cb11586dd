import numpy as np
import pytest
import torch

from probgen.diagnose.metrics.path_length import path_length, slerp
from probgen.errors import DataError, OptionError


def latents(rows=2000, width=6):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0))


def cropped_mean(values, crop=(1, 99)):
    low, high = np.percentile(values, crop)
    return values[(values >= low) & (values <= high)].mean()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_linear_generator_along_lines_has_its_analytic_length(dtype):
    z = latents().to(dtype)
    weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = path_length(lambda z: z @ weight.T, z, path="line", crop=(0, 100))
    exact = ((z[1000:] - z[:1000]) @ weight.T).square().sum(dim=1)
    assert float(found) == pytest.approx(float(exact.mean()), rel=1e-3)
    # in the mean over latents, 2 tr(A A')
    expected = 2 * float(weight.square().sum())
    assert float(found) == pytest.approx(expected, abs=4 * found.error)


def test_along_an_arc_the_identity_has_the_length_of_the_arc():
    z = torch.nn.functional.normalize(latents().double(), dim=1)
    angle = (z[:1000] * z[1000:]).sum(dim=1).arccos()
    found = path_length(lambda z: z, z)
    assert float(found) == pytest.approx(cropped_mean(angle.square().numpy()), rel=1e-3)


def test_a_jump_is_flagged():
    z = latents()

    def folded(z):
        return torch.cat([z[:, :1].mul(200).sin(), z[:, 1:]], dim=1)

    assert float(path_length(folded, z)) > 20 * float(path_length(lambda z: z, z))


def test_arcs_begin_and_end_where_they_should():
    a, b = latents(10), latents(20)[10:]
    ends = torch.zeros(10, 1), torch.ones(10, 1)
    torch.testing.assert_close(slerp(a, b, ends[0]), a)
    torch.testing.assert_close(slerp(a, b, ends[1]), b)
    torch.testing.assert_close(slerp(a, a, ends[1] / 2), a)


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="100 rows, and 200 are the least"):
        path_length(lambda z: z, latents(100))
    with pytest.raises(DataError, match="1 cases for 256 latents"):
        path_length(lambda z: z[:1], latents())
    with pytest.raises(OptionError, match="epsilon=0"):
        path_length(lambda z: z, latents(), epsilon=0)
