import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from probgen.models import _digits
from probgen.models.denoising_autoencoder import DenoisingAutoencoder
from probgen.models.rbm import RBM
from probgen.studies.quality.draws import output_of_latents


def digits(part):
    return _digits.grey(part).reshape(-1, 8, 8) / 8 - 1


@pytest.fixture(scope="module")
def judge():
    return pg.metrics.digit_classifier()


@pytest.fixture(scope="module")
def real():
    return torch.cat([digits("validation"), digits("test")])


class Halves:
    """Fakes: digits of the training part, then the same with something wrong."""

    good = digits("train")[:597]
    lost = good.new_tensor(np.resize(good[_digits.labels("train")[:597] < 5].numpy(), (597, 8, 8)))
    blurred = nn.functional.avg_pool2d(good[:, None], 3, 1, 1)[:, 0]
    noisy = (good + torch.randn(good.shape, generator=torch.Generator().manual_seed(0))).clamp(
        -1, 1
    )


class Line(PyroModule):
    """x = A z + b with or without noise; label y by the sign of z's first entry."""

    def __init__(self, noise=0.1):
        super().__init__()
        self.noise = noise
        self.weight = nn.Parameter(torch.tensor([[1.0, 0.5], [0.0, 2.0], [1.0, 1.0]]))

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z @ self.weight.T, self.noise).to_event(1), obs=x)


def test_a_classifier_is_trained_in_seconds_and_says_how_good_it_is(judge, real):
    labels = torch.cat([_digits.labels(part) for part in ("validation", "test")]).numpy()
    right = (judge.predict(real) == labels).mean()
    assert right > 0.97
    assert judge.accuracy == pytest.approx(right, abs=0.03)
    assert f"{judge.accuracy:.3f}" in judge.name
    assert pg.metrics.digit_classifier() is judge


def test_shuffled_labels_give_a_classifier_that_knows_nothing():
    labels = np.random.default_rng(0).permutation(_digits.labels("train").numpy())
    assert pg.metrics.classifier(digits("train"), labels, steps=100).accuracy < 0.25


def test_labels_may_be_of_any_kind_and_few_are_named():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) + np.repeat([0, 4], 100)[:, None]
    found = pg.metrics.classifier(x, np.repeat(["near", "far"], 100), steps=100)
    assert found.accuracy > 0.9
    assert set(found.predict(x)) == {"near", "far"}
    with pytest.raises(DataError, match=r"fewer: b \(2\)"):
        pg.metrics.classifier(x[:20], ["a"] * 18 + ["b"] * 2)
    with pytest.raises(DataError, match="one label for each of 200 rows"):
        pg.metrics.classifier(x, [1, 2])


LOWER = ("fid", "fid_infinity", "kid", "mmd", "energy_distance", "sliced_wasserstein", "c2st")


def test_every_metric_flags_a_broken_generator(judge, real):
    found = {
        name: pg.metrics.quality(real, getattr(Halves, name), judge, metrics=pg.metrics.METRICS)
        for name in ("good", "lost", "blurred", "noisy")
    }
    for broken in ("lost", "noisy"):
        for name in LOWER:
            good, bad = found["good"][name], found[broken][name]
            assert good.better == "lower"
            assert bad.value > 2 * abs(good.value) or (name == "c2st" and bad.value > 0.65)
        for name in ("mmd", "energy_distance", "c2st"):
            assert found["good"][name].p_value > 0.001 > found[broken][name].p_value - 0.005
    for broken, flagged in {
        "lost": ("recall", "coverage", "inception_score"),
        "noisy": ("precision", "density", "inception_score"),
        "blurred": ("precision", "density", "inception_score"),
    }.items():
        for name in flagged:
            good, bad = found["good"][name], found[broken][name]
            assert good.better == "higher"
            assert bad.value < good.value - 3 * np.hypot(good.error, bad.error)
    assert found["lost"]["precision"].value > 0.8  # what is left is as good as before


def test_real_against_real_is_the_floor(judge, real):
    low = pg.metrics.floor(real, judge)
    assert low["fid"].value < 1.5
    assert abs(low["kid"].value) < 4 * low["kid"].error
    assert low["recall"].value > 0.8
    assert low["fid"].real == low["fid"].fake == len(real) // 2
    assert pg.metrics.floor(real, judge, n=100)["kid"].fake == 100


def test_a_table_is_printed_and_framed(judge, real):
    found = pg.metrics.quality(real, Halves.good, judge, metrics=("kid", "recall"))
    assert "KID" in str(found)
    assert "fake against real" in str(found)
    frame = found.to_frame()
    assert list(frame.index) == ["kid", "recall"]
    assert frame.loc["kid", "hash"] == judge.hash
    assert frame.loc["recall", "settings"] == "k=3"


def test_features_are_chosen_by_what_is_given(real):
    labels = torch.cat([_digits.labels(part) for part in ("validation", "test")])
    flat = real.flatten(1), Halves.good.flatten(1)
    by_labels = pg.metrics.quality(*flat, labels=labels, metrics=["kid"])
    assert by_labels["kid"].extractor.startswith("classifier, held-out accuracy 0.9")
    of_images = pg.metrics.quality(real, Halves.good, metrics=["kid"])
    assert of_images["kid"].extractor.startswith("random convolutional features")
    assert pg.metrics.quality(*flat, metrics=["kid"])["kid"].extractor == "values"


def test_what_the_rows_do_not_allow_is_left_out_with_a_note_or_refused_by_name(judge, real):
    found = pg.metrics.quality(real[:40], Halves.good[:40], judge)
    assert "fid" not in found.scores
    assert "kid" in found.scores
    assert any("left out: FID: real has 40 rows of 64 features" in note for note in found.notes)
    with pytest.raises(DataError, match="FID: real has 40 rows"):
        pg.metrics.quality(real[:40], Halves.good[:40], judge, metrics=["fid"])
    with pytest.raises(OptionError, match="'fids' is none of fid"):
        pg.metrics.quality(real, Halves.good, judge, metrics=["fids"])
    with pytest.raises(DataError, match=r"shape \(8, 8\), one of fake of \(64,\)"):
        pg.metrics.quality(real, Halves.good.flatten(1), judge)


def test_a_program_is_drawn_from():
    model, truth = Line(), Line()
    rows = {"x": torch.zeros(700, 3)}
    real = pg.metrics.draws_of(truth, rows, "x", seed=1)
    again = pg.metrics.draws_of(truth, rows, "x", seed=1)
    assert torch.equal(real, again)
    covariance = truth.weight.detach() @ truth.weight.detach().T + 0.01 * torch.eye(3)
    torch.testing.assert_close(torch.cov(real.T), covariance, atol=0.6, rtol=0.1)
    model.train()
    found = pg.metrics.quality({"x": real}, model, metrics=["fid", "energy_distance"])
    assert model.training
    assert found["energy_distance"].p_value > 0.01
    assert found.title.startswith("draws of Line")
    with torch.no_grad():
        model.weight *= 0.5
    assert pg.metrics.quality({"x": real}, model, metrics=["mmd"], n=300)["mmd"].p_value < 0.01
    with pytest.raises(ModelError, match="draws no data 'y'; it draws: 'x'"):
        pg.metrics.draws_of(model, rows, "y")


def test_programs_that_look_at_their_data_and_machines_are_drawn_from():
    """Draws in the place of the data, and not of the data with noise added."""
    rows = {"x": 1000 + np.arange(90.0).reshape(10, 9)}  # float64 for a module in float32
    denoiser = DenoisingAutoencoder(pixels=9, hidden=(4,))
    assert float(pg.metrics.draws_of(denoiser, rows, "x", 20).abs().max()) < 100
    machine = RBM(visible=9, hidden=4)
    found = pg.metrics.draws_of(machine, {machine.layers[0][0].name: np.zeros((5, 9))}, "x", 600)
    assert found.shape == (600, 9)
    assert set(found.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("noise", [0.1, 10.0])
def test_the_path_length_of_a_program_is_that_of_its_mean(noise):
    model = Line(noise)
    found = pg.metrics.path_length(
        model, data={"x": torch.zeros(50, 3)}, n=3000, path="line", crop=(0, 100)
    )
    assert found.value == pytest.approx(
        2 * float(model.weight.detach().square().sum()), abs=4 * found.error
    )


def test_a_program_without_normal_latents_has_no_path():
    class Flat(PyroModule):
        def forward(self, x=None):
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Uniform(torch.zeros(2), 1.0).to_event(1))
                pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    with pytest.raises(ModelError, match=r"no normal latents of each row.*latents are: 'z'"):
        pg.metrics.path_length(Flat(), data={"x": torch.zeros(50, 2)})


class Shared(PyroModule):
    """`own` latents of each row, and a shift of all rows of the shape `shape`."""

    def __init__(self, shape, own=True):
        super().__init__()
        self.shape, self.own = shape, own

    def forward(self, x=None):
        rows = 1 if x is None else len(x)
        shift = dist.Normal(torch.zeros(self.shape), 1.0).to_event(len(self.shape))
        shift = pyro.sample("shift", shift)
        with pyro.plate("case", rows):
            z = torch.zeros(rows, 2)
            if self.own:
                z = pyro.sample("z", dist.Normal(z, 1.0).to_event(1))
            pyro.sample("x", dist.Normal(3 * z + shift.sum(), 0.1).to_event(1), obs=x)


@pytest.mark.parametrize("shape", [(), (3,), (256, 2)])
def test_latents_that_all_rows_share_stay_where_they_were_drawn(shape):
    generate, latents = output_of_latents(Shared(shape), {"x": torch.zeros(9, 2)}, "x", 300)
    assert latents.shape == (300, 2)  # of the rows alone
    shift = generate(latents[:40]) - 3 * latents[:40]
    assert torch.allclose(shift, shift[0, 0].expand(40, 2), atol=1e-4)
    assert torch.allclose(generate(latents[:7]), generate(latents[:40])[:7], atol=1e-5)


def test_a_program_whose_latents_all_rows_share_has_no_path():
    with pytest.raises(ModelError, match=r"latents are: 'shift' \(shared by all rows\)"):
        output_of_latents(Shared((), own=False), {"x": torch.zeros(9, 2)}, "x", 300)
