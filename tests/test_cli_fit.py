"""`probgen fit`: what it learns, writes and says, and that it goes on by `probgen resume`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import probgen as pg
from probgen.cli import app
from probgen.cli.fit import METHODS
from probgen.learn.training.store import TrainingStore

MODEL = '''
"""A Gaussian with its data and method."""

import torch

from tests.learn.training.toys import Gaussian, LikelihoodMethod, normal_data

method = LikelihoodMethod()


class Toy(Gaussian):
    """x ~ Normal(mean, exp(log_scale))."""


def data():
    return {"x": normal_data()}
'''

PAIRED = '''
"""Points from four normal numbers."""

import probgen as pg
from tests.learn.adversarial.programs import Points, Score, normal_points

method = pg.Adversarial(sites=("x", "z"), game=pg.games.Bidirectional())


model = Points(Score(6))


def data():
    return {"x": normal_points(64)}
'''
GUIDES = """
import probgen as pg
import pyro
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 4)

    def forward(self, x):
        with pyro.plate("case", len(x)):
            pyro.sample("z", pg.Implicit(self.net(x)))


encoder = Encoder()
"""


def cli(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, [*map(str, arguments)])
    return found.exit_code, " ".join((found.output + found.stderr).split())


@pytest.fixture
def model(tmp_path):
    (tmp_path / "toy.py").write_text(MODEL)
    return tmp_path / "toy.py"


def test_a_model_file_is_fitted_by_its_own_method_and_data(model, tmp_path):
    saved = tmp_path / "toy.safetensors"
    code, said = cli(
        "fit", model, "--epochs", 3, "--seed", 1, "--validation", 0.2, "--save", saved
    )
    assert code == 0, said
    assert "method likelihood" in said
    assert "negative log density per case, nats" in said
    assert "a random number (a monitor)" in said
    fit = pg.load_fit(saved, pg.load_model(str(model)).program)
    assert fit.summary["steps"] == 3 * 8


def test_data_of_every_kind_of_file(model, tmp_path):
    x = np.random.default_rng(0).normal(2.0, 1.0, (300, 2))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    pd.DataFrame(x, columns=["a", "b"]).to_csv(tmp_path / "x.csv", index=False)
    said = [
        cli("fit", model, "--data", given, "--epochs", 1, "--seed", 1, "--quiet")
        for given in (
            tmp_path / "x.npy",
            tmp_path / "x.npz",
            tmp_path / "x.csv",
            f"x={tmp_path / 'x.npy'}",
        )
    ]
    assert [code for code, _ in said] == [0] * 4, said
    assert all("6 steps" in text for _, text in said)


def test_a_training_is_stored_and_read_again(model, tmp_path):
    store = tmp_path / "run"
    options = ["--epochs", 2, "--seed", 1, "--quiet", "--store", store]
    assert cli("fit", model, *options)[0] == 0
    code, said = cli("fit", model, *options)
    assert code == 1
    assert "holds a training already" in said
    code, said = cli("resume", store, "--model", model, "--quiet")
    assert code == 0, said
    assert "20 steps" in said
    code, said = cli("resume", store)
    assert code == 1
    assert "pass the model that it trains" in said


def test_a_stored_training_gets_more_epochs_and_a_page(model, tmp_path):
    store, page = tmp_path / "run", tmp_path / "more.html"
    options = ["--epochs", 2, "--seed", 1, "--validation", 0.2, "--threads", 1]
    assert cli("fit", model, *options, "--quiet", "--store", store)[0] == 0
    code, said = cli("resume", store, "--model", model, "--epochs", 3, "-o", page)
    assert code == 0, said
    assert "epochs 3" in said
    assert f"Report: {page}" in said
    assert "Toy trained by LikelihoodMethod" in page.read_text()
    code, said = cli("resume", store, "--model", model, "--draws", 9)
    assert code == 1
    assert "--draws is an option of runs" in said


def test_checkpoints_are_as_often_as_is_asked_for(model, tmp_path):
    store = tmp_path / "run"
    often = ["--checkpoint-steps", 3, "--checkpoint-seconds", 0.5]
    options = ["--epochs", 2, "--seed", 1, "--quiet"]
    assert cli("fit", model, *options, *often, "--store", store)[0] == 0
    kept = TrainingStore.read_manifest(store)["options"]
    assert (kept["checkpoint_steps"], kept["checkpoint_seconds"]) == (3, 0.5)
    code, said = cli("fit", model, *options, *often)
    assert code == 1
    assert "--checkpoint-seconds: checkpoints are written to --store PATH" in said
    code, said = cli("fit", model, "--checkpoint-seconds", 0, "--store", tmp_path / "no")
    assert code == 1
    assert "checkpoint_seconds=0.0: must be above 0" in said


def test_a_training_by_a_guide_of_a_file_goes_on_with_it(tmp_path):
    (tmp_path / "paired.py").write_text(PAIRED)
    (tmp_path / "guides.py").write_text(GUIDES)
    guide = ["--set", f"guide={tmp_path / 'guides.py'}:encoder"]
    store = tmp_path / "run"
    code, said = cli(
        "fit", tmp_path / "paired.py", *guide, "--epochs", 1, "--seed", 1, "--store", store,
        "--quiet",
    )  # fmt: skip
    assert code == 0, said
    more = ["resume", store, "--model", tmp_path / "paired.py", "--epochs", 2, "--quiet"]
    code, said = cli(*more)
    assert code == 1
    assert "The game needs a guide" in said
    code, said = cli(*more, "--method-option", guide[1])
    assert code == 0, said
    assert "2 steps" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "guess"], "the methods are svi, adversarial"),
        (["--set", "momentum=0.5"], "LikelihoodMethod has no such option"),
        (["--epochs", "0"], "epochs=0: must be an integer of at least 1"),
        (["--save", "weights.txt"], "must end in .safetensors"),
        (["--data", "none.npy"], "none.npy"),
        (["--method", "em"], "EM"),
    ],
    ids=str,
)
def test_what_is_refused_is_one_message(model, options, words):
    code, said = cli("fit", model, *options)
    assert code == 1
    assert "Error:" in said
    assert words in said
    assert "Traceback" not in said


def test_options_of_the_method_are_set(model, tmp_path):
    code, said = cli("fit", model, "--set", "noise=true", "--epochs", 1, "--quiet", "--seed", 1)
    assert code == 0, said


def test_every_word_for_a_method_names_a_learner():
    for name in METHODS.values():
        kind = getattr(pg, name)
        assert hasattr(kind, "learner") or hasattr(kind, "learn"), name


def test_networks_are_fitted_and_saved(tmp_path):
    rng = np.random.default_rng(0)
    rain = rng.random(500) < 0.3
    wet = np.where(rain, rng.random(500) < 0.9, rng.random(500) < 0.1)
    table = pd.DataFrame({"rain": np.where(rain, "yes", "no"), "wet": np.where(wet, "yes", "no")})
    table.to_csv(tmp_path / "wet.csv", index=False)
    saved = tmp_path / "wet.bif"
    code, said = cli("fit", "none", "--data", tmp_path / "wet.csv", "--save", saved, "--seed", 1)
    assert code == 0, said
    assert "method HillClimb" in said
    network = pg.load_network(saved)
    assert sorted(network.names) == ["rain", "wet"]
    code, said = cli(
        "fit", saved, "--data", tmp_path / "wet.csv", "--method", "bayesian-estimate", "--quiet"
    )
    assert code == 0, said
    code, said = cli("fit", saved, "--data", tmp_path / "wet.csv", "--epochs", 3)
    assert code == 1
    assert "epochs is an option of programs" in said


def test_a_page_of_the_fit_is_written(model, tmp_path):
    page = tmp_path / "toy.html"
    code, said = cli("fit", model, "--epochs", 2, "--seed", 1, "--validation", 0.2, "-o", page)
    assert code == 0, said
    assert f"Report: {page}" in said
    assert "Toy trained by LikelihoodMethod" in page.read_text()


def test_a_page_of_a_network_is_refused_before_anything_is_learned(tmp_path):
    code, said = cli("fit", "asia", "-o", tmp_path / "asia.html")
    assert code == 1
    assert "--output: the page is of programs" in said


def test_a_training_is_watched_on_demand(model, tmp_path):
    store, saved = tmp_path / "run", tmp_path / "toy.safetensors"
    given = ("--epochs", 4, "--store", store, "--save", saved, "--watch-every", 2)
    code, said = cli("fit", model, *given, "--watch-samples", 8)
    assert code == 0, said
    assert "watched_spread" in said
    assert len(list(store.glob("watched-*-x.png"))) == 2
    fit = pg.load_fit(saved, pg.load_model(str(model)).program)
    assert fit.tree["watched"]["x"].shape == (2, 8, 2)
    code, said = cli("fit", model, "--no-watch", "--watch-every", 2)
    assert code == 1
    assert "--no-watch: leave" in said


def test_a_small_set_is_named_and_takes_the_shape_of_the_model():
    code, said = cli("fit", "dcgan", "--data", "digits", "--epochs", 1, "--quiet")
    assert code == 0, said
    assert "19 steps" in said  # 1200 digits, 64 at a time
    code, said = cli("fit", "vae", "--data", "ring", "--epochs", 1)
    assert code == 1
    assert "2 entries" in said
    assert "takes 64" in said
    code, said = cli("fit", "gan", "--data", "rings", "--epochs", 1)
    assert code == 1
    assert "neither a file nor a data set" in said


def test_weights_of_a_model_by_name_come_from_the_seed(tmp_path):
    def weights(name, seed):
        saved = tmp_path / f"{name}.safetensors"
        code, said = cli("fit", "vae", "--epochs", 1, "--save", saved, "-q", *seed)
        assert code == 0, said
        return {n: v for n, v in load_file(saved).items() if n.startswith("model/")}

    once, again = (weights(name, ["--seed", 3]) for name in ("once", "again"))
    other = weights("other", ["--seed", 4])
    assert all(torch.equal(again[name], value) for name, value in once.items())
    assert any(not torch.equal(other[name], value) for name, value in once.items())
