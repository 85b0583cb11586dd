"""Draws of trained programs: together where the data do not matter, row by row where they do."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

from probgen.declare.implicit import Implicit
from probgen.errors import ModelError, OptionError
from probgen.learn import draws as module
from probgen.learn.draws import draw_many, draw_rows, draws_together, simulated
from probgen.learn.images import as_images, image_grid, image_shape_of, png, point_cloud
from probgen.learn.training.watch_files import write_pictures
from probgen.models.dbn import DBN
from probgen.models.denoising_autoencoder import DenoisingAutoencoder
from probgen.models.rbm import RBM
from probgen.models.semi_supervised_vae import SemiSupervisedVAE
from probgen.models.vae import VAE
from probgen.nets.flows.model import FlowModel
from tests.learn.training.toys import Gaussian


class Labelled(PyroModule):
    """An implicit "x" far from the data, by a label and dropout; draws NaN while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([10.0, -10.0]))
        self.dropout = nn.Dropout(1.0)

    def forward(self, x=None, y=None) -> None:
        rows = next((len(v) for v in (x, y) if v is not None), 1)
        with pyro.plate("case", rows):
            y = pyro.sample("y", dist.Bernoulli(self.weight.new_full((rows,), 0.5)), obs=y)
            z = pyro.sample("z", dist.Normal(self.weight.new_zeros(2), 1.0).to_event(1))
            value = self.weight[y.long()][:, None] + z + self.dropout(torch.ones(1)).log()
            pyro.sample("x", Implicit(value, 1), obs=x)


def test_observed_sites_are_drawn_anew_together():
    data = {"x": torch.full((4000, 2), 100.0), "y": torch.ones(4000)}
    model = Labelled()
    model.train()
    found = draw_rows(model, data, seed=1)
    assert model.training
    assert model.dropout.training
    assert found["x"].shape == (4000, 2)
    assert not found["x"].requires_grad
    assert abs(float(found["y"].mean()) - 0.5) < 0.05
    assert torch.equal(found["x"].mean(1) < 0, found["y"] == 1)  # labels belong to their images
    assert torch.equal(found["x"], draw_rows(model, data, seed=1)["x"])
    assert not torch.equal(found["x"], draw_rows(model, data, seed=2)["x"])


def test_what_is_not_observed_is_a_condition():
    flow = FlowModel("nice", 2, context=1)
    flow.start_from([{"x": torch.randn(50, 2), "c": torch.randn(50, 1)}])
    batch = {"x": torch.randn(6, 2), "c": torch.arange(6.0)[:, None]}
    assert draws_together(flow, batch)
    seen = []
    draw = flow.draw
    flow.draw = lambda shape, c=None: seen.append(c) or draw(shape, c)
    draw_rows(flow, batch, seed=1)
    assert torch.equal(seen[-1], batch["c"])


def test_a_program_that_looks_at_its_data_is_run_without_them():
    model = DenoisingAutoencoder(pixels=9, hidden=(4,))
    batch = {"x": 1000 + torch.arange(90.0).reshape(10, 9)}
    assert not draws_together(model, batch)
    assert float(draw_rows(model, batch, seed=1)["x"].abs().max()) < 100
    assert float(simulated(model, batch)[0]["x"].detach().min()) > 100  # which is why


def test_missing_labels_do_not_tear_the_rows_apart():
    model = SemiSupervisedVAE(pixels=16, hidden=(4,))
    labels = torch.tensor([1, -1, 2, -1])
    found = draw_rows(model, {"x": torch.zeros(4, 16), "y": labels}, seed=1)
    assert found["x"].shape == (4, 16)
    assert found["y"].shape == (4,)


def test_a_program_that_cannot_be_drawn_from_is_named():
    class Needs(PyroModule):
        def forward(self, x):
            with pyro.plate("case", len(x)):
                pyro.sample("x", dist.Normal(x, 1.0).to_event(1), obs=x)

    with pytest.raises(ModelError, match="No rows can be drawn from Needs"):
        draw_rows(Needs(), {"x": torch.arange(4.0)[:, None]}, seed=1)


@pytest.mark.parametrize("model", [RBM(visible=9, hidden=3), DBN(9, (4, 3)), VAE(9, 2, (4,))])
def test_generators_and_modes_are_left_as_they_were(model, monkeypatch):
    monkeypatch.setattr(module, "SWEEPS", 3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    modes = [part.training for part in model.modules()]
    found = draw_rows(model, {"x": torch.zeros(5, 9)}, seed=1)
    assert set(found["x"].unique().tolist()) <= {0.0, 1.0}
    assert found["x"].shape == (5, 9)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()
    assert modes == [part.training for part in model.modules()]


def test_machines_are_drawn_with_their_biases():
    machine = RBM(visible=4, hidden=2)
    with torch.no_grad():
        machine.biases[0].copy_(torch.tensor([9.0, -9.0, 9.0, -9.0]))
    found = draw_rows(machine, {"x": torch.zeros(50, 4)}, seed=1)["x"]
    assert torch.equal(found.mean(0).round(), torch.tensor([1.0, 0.0, 1.0, 0.0]))


@pytest.mark.parametrize(
    ("shape", "said", "found"),
    [
        ((64,), None, (1, 8, 8)),
        ((9,), None, None),
        ((12,), (3, 4), (1, 3, 4)),
        ((1, 8, 8), None, (1, 8, 8)),
        ((3, 16, 16), None, (3, 16, 16)),
        ((5, 16, 16), None, None),
        ((2,), None, None),
        ((28, 28), None, (1, 28, 28)),
    ],
)
def test_which_values_are_images(shape, said, found):
    model = Gaussian()
    if said is not None:
        model.image_shape = said
    assert image_shape_of(model, shape) == found


def test_pixels_stand_where_they_belong(tmp_path):
    from matplotlib import image

    values = np.zeros((4, 16))
    values[2, 5] = 1.0
    grid = image_grid(as_images(values, (1, 4, 4)), 0.0, 1.0)
    assert grid.shape[0] == grid.shape[1]
    step = grid.shape[0] // 11  # 2 images of 4 pixels, and 3 lines between
    place = step * 7 + step // 2, step * 2 + step // 2  # the third image
    assert grid[place] == 0
    assert (grid == 0).sum() == step**2
    (tmp_path / "a.png").write_bytes(png(grid))
    assert np.array_equal((255 * image.imread(tmp_path / "a.png")).round(), grid)
    colours = np.zeros((1, 3, 4, 4))
    colours[0, 0] = 1.0
    red = image_grid(as_images(colours.reshape(1, -1), (3, 4, 4)), 0.0, 1.0)
    (tmp_path / "b.png").write_bytes(png(red))
    assert image.imread(tmp_path / "b.png")[120, 200].tolist() == [1.0, 0.0, 0.0]


def test_a_range_the_wrong_way_round_is_no_picture():
    with pytest.raises(OptionError, match=r"image_grid\(low=1.0, high=0.0\)"):
        image_grid(np.zeros((1, 4, 4)), 1.0, 0.0)
    assert (image_grid(np.zeros((1, 4, 4)), 0.0, 0.0) == 255).all()  # white at low


def test_nothing_finite_is_no_picture_and_no_error(tmp_path):
    lost = {"a": np.full((4, 4, 4), np.nan), "b": np.ones((4, 4, 4))}
    lost["b"][0, 0, 0] = np.inf
    write_pictures(tmp_path, 3, nn.Identity(), lost, {})
    assert [file.name for file in tmp_path.iterdir()] == ["watched-000000003-b.png"]


def test_many_draws_differ_and_are_made_on_the_models_arithmetic():
    model = Labelled().double()
    rows = {"x": np.full((30, 2), 100.0, dtype=np.float32), "y": np.ones(30, dtype=np.float32)}
    found = draw_many(model, rows, 1200, seed=1)["x"]
    assert found.shape == (1200, 2)
    assert found.dtype == torch.float64
    assert len(found.unique(dim=0)) == 1200  # no part repeats another
    assert torch.equal(found, draw_many(model, rows, 1200, seed=1, together=True)["x"])


@pytest.mark.parametrize("seed", [50_000, 2**40, -3])
def test_any_integer_is_a_seed(seed):
    model, rows = Labelled(), {"x": torch.zeros(10, 2), "y": torch.zeros(10)}
    first = draw_many(model, rows, 10, seed)["x"]
    assert torch.equal(first, draw_many(model, rows, 10, seed)["x"])
    assert not torch.equal(first, draw_many(model, rows, 10, seed + 1)["x"])


def test_draws_lie_over_data_in_the_picture_of_points():
    data = np.array([[0.0, 0.0], [1.0, 1.0]])
    cloud = point_cloud(np.array([[1.0, 1.0], [9.0, 9.0]]), data)
    dark = np.argwhere(cloud == 0)
    assert (dark[:, 0] < 100).all()  # above
    assert (dark[:, 1] > 380).all()  # right
    light = np.argwhere(cloud == 190)
    assert (light[:, 0] > 380).all()
