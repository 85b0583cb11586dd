"""The zoo's adversarial networks: found by name, declared alike, learned from Python and CLI."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
import torch
from pyro import poutine
from typer.testing import CliRunner

import probgen as pg
from probgen import models
from probgen.cli import app
from probgen.declare.modelfile import zoo_names
from probgen.errors import ModelError

NAMES = (
    "gan", "conditional_gan", "dcgan", "bigan", "sgan", "infogan", "ebgan", "ac_gan", "wgan_gp",
)  # fmt: skip
MINE = ("gan", "conditional_gan", "infogan", "ac_gan", "wgan_gp")


def few(name):
    """A few rows of a model's data, in the smallest batches that make two."""
    return {key: value[:96] for key, value in models.load(name).data.items()}


def test_the_zoo_finds_models_in_its_folders():
    assert set(NAMES) <= set(models.names(learned=True))
    assert not {"_points", "_papers", "__init__"} & set(zoo_names())
    assert len(zoo_names()) == len(set(zoo_names()))
    assert models.load("gan").path.parts[-2:] == ("gan", "gan.py")
    assert type(models.load("bigan").program).__module__ == "probgen.models.gan.bigan"


def test_a_folder_is_no_model_and_a_wrong_name_gets_the_closest():
    with pytest.raises(ModelError, match=r"Did you mean.*'infogan'"):
        models.load("info_gan")


def test_classes_are_imported_from_the_package():
    package = importlib.import_module("probgen.models.gan")
    for name in package.__all__:
        kind = getattr(package, name)
        assert kind.__name__ == name
        assert name in dir(package)
    assert {kind.lower() for kind in package.__all__} == {n.replace("_", "") for n in NAMES}
    with pytest.raises(AttributeError, match="has no attribute 'StyleGAN'"):
        package.StyleGAN  # noqa: B018


def test_the_list_of_the_cli_shows_them():
    found = CliRunner().invoke(app, ["list"])
    assert found.exit_code == 0
    learned = found.output.split("To learn (fit)")[1]
    for name in NAMES:
        assert re.search(rf"^{name} +\S", learned, re.MULTILINE), name


@pytest.mark.parametrize("name", NAMES)
def test_declaration(name):
    model = models.load(name)
    assert model.method.learns == "program"
    assert model.description == models.descriptions()[name]
    assert type(model.program).__doc__
    text = inspect.getdoc(inspect.getmodule(type(model.program)))
    assert re.search(r"^Source: .*", text, re.MULTILINE)
    assert re.search(r"\(\d{4}\)", text)
    assert "Data: " in text


@pytest.mark.parametrize("name", MINE)
def test_both_players_learn(name):
    model = models.load(name)
    fit = pg.fit(
        model, data=few(name), epochs=5, batch_size=16, seed=1, watch=None, progress=False
    )
    before, after = model.program.state_dict(), fit.model.state_dict()
    moved = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert {"generator", "critic"} <= moved
    if hasattr(model.program, "guide"):
        assert moved & {"recogniser", "classifier"}
    assert {"critic", "program"} <= set(fit.tree["history"].data_vars)


@pytest.mark.parametrize("name", NAMES)
def test_batch_normalisation_is_given_no_momentum_for_its_epsilon(name):
    """`BatchNorm2d(channels, 0.8)`, as known copies have it, divides by 0.9 and more."""
    for part in models.load(name).program.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            assert (part.eps, part.momentum) == (1e-5, 0.1)


@pytest.mark.parametrize("name", MINE)
def test_the_papers_networks_fit_together(name):
    model, method, options = importlib.import_module(f"probgen.models.gan.{name}").reproduce()
    x = torch.rand(2, {"ac_gan": 3072, "wgan_gp": 2}.get(name, 784))
    data = {"x": x, "y": torch.arange(2)} if name in ("conditional_gan", "ac_gan") else {"x": x}
    with torch.no_grad():
        sites = poutine.trace(poutine.uncondition(model)).get_trace(**data).nodes
        values = [sites[site]["value"] for site in method.sites or ("x",)]
        assert values[0].shape == x.shape
        assert model.critic(*values).shape == (2,)
        if hasattr(model, "guide"):
            read = poutine.trace(model.guide).get_trace(values[0]).nodes
            for code in method.codes:
                assert read[code.site]["value"].shape == sites[code.site]["value"].shape
    assert set(options) == {"epochs", "batch_size"}


def test_a_model_is_learned_by_name_from_the_cli(tmp_path):
    saved = tmp_path / "gan.safetensors"
    ran = CliRunner().invoke(
        app,
        ["fit", "gan", "--epochs", "1", "--batch-size", "800", "--save", str(saved), "--quiet"],
    )
    assert ran.exit_code == 0, ran.output
    fit = pg.load_fit(saved, models.load("gan").program)
    assert fit.summary["steps"] == 8
