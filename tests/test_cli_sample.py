"""`probgen sample`: rows of what was learned, prior draws of other programs and of networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

import probgen as pg
from probgen.cli import app
from probgen.models.gan import GAN, gan


def cli(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["sample", *map(str, arguments)])
    return found.exit_code, " ".join((found.output + found.stderr).split())


def test_rows_of_a_trained_program_are_those_of_its_averaged_weights(tmp_path):
    fit = pg.fit(
        GAN(), gan.method, data=gan.data("test"), epochs=1, ema=0.5, seed=1, watch=False,
        progress=False,
    )  # fmt: skip
    fit.save(tmp_path / "gan.safetensors")
    options = ("-n", 700, "--weights", tmp_path / "gan.safetensors", "--seed", 3)
    code, said = cli("gan", *options, "-o", tmp_path / "a.npz")
    assert code == 0, said
    assert "as they begin" not in said
    x = np.load(tmp_path / "a.npz")["x"]
    expected = pg.metrics.draws_of(fit, gan.data(), "x", 700, seed=3)
    np.testing.assert_allclose(x, expected.numpy(), rtol=1e-5)
    other = pg.metrics.draws_of(fit.model, gan.data(), "x", 700, seed=3)
    assert not torch.allclose(other, expected)


def test_untrained_weights_are_told():
    code, said = cli("rbm", "-n", 20)
    assert code == 0, said
    assert "as they begin" in said


def test_prior_draws_of_a_program_are_a_tree(tmp_path):
    code, said = cli("eight_schools", "-n", 50, "-o", tmp_path / "a.nc")
    assert code == 0, said
    with xr.open_datatree(tmp_path / "a.nc") as tree:
        assert tree["prior"]["theta"].shape == (1, 50, 8)
        expected = pg.prior(
            pg.load_model("eight_schools").program, pg.load_model("eight_schools").data, draws=50
        )
        np.testing.assert_array_equal(tree["prior"]["mu"], expected["prior"]["mu"])


PROGRAM = """
import pyro
import pyro.distributions as dist


def model():
    x = pyro.sample("{name}", dist.Normal(0.0, 1.0))
    pyro.deterministic("above", x > 0)
"""
MODULE = """
import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule


class Line(PyroModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x, y=None):
        with pyro.plate("row", len(x)):
            pyro.sample("y", dist.Normal(self.layer(x)[:, 0], 0.01), obs=y)


model = Line()


def data():
    return {"x": torch.linspace(0, 1, 20)[:, None], "y": torch.zeros(20)}
"""


def test_comparisons_are_numbers_and_no_name_is_lost(tmp_path):
    (tmp_path / "a.py").write_text(PROGRAM.format(name="x"))
    code, said = cli(tmp_path / "a.py", "-n", 200)
    assert code == 0, said
    assert "above prior 1 mean 0." in said
    (tmp_path / "b.py").write_text(PROGRAM.format(name="file"))
    code, said = cli(tmp_path / "b.py", "-o", tmp_path / "b.npz")
    assert (code, "write .nc" in said) == (1, True)


def test_first_weights_of_a_file_come_from_the_seed(tmp_path):
    (tmp_path / "line.py").write_text(MODULE)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        code, said = cli(
            tmp_path / "line.py", "-n", 30, "--seed", seed, "-o", tmp_path / f"{name}.npz"
        )
        assert code == 0, said
    a, b, c = (np.load(tmp_path / f"{name}.npz")["y"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert abs(a - c).max() > 0.1


def test_states_of_a_network_are_named_with_their_shares(tmp_path):
    code, said = cli("asia", "-n", 2000, "-o", tmp_path / "a.npz")
    assert code == 0, said
    smoke = np.load(tmp_path / "a.npz")["smoke"]
    assert smoke.shape == (2000,)
    assert f"smoke prior 1 yes {np.mean(smoke == 0):.1%}, no {np.mean(smoke == 1):.1%}" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("eight_schools", "-n", 0), "draw one or more"),
        (("eight_schools", "--weights", "x.safetensors"), "--weights"),
        (("gan", "--weights", "missing.safetensors"), "no file missing.safetensors"),
        (("gan", "-o", "draws.csv"), "--output"),
        (("gan", "--data", "nothing"), "neither a file nor a data set"),
    ],
)
def test_bad_options_say_what_to_do(arguments, told):
    code, said = cli(*arguments)
    assert code == 1
    assert told in said
