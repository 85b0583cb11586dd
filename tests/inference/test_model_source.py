"""Every result carries the text of its model."""

from __future__ import annotations

import functools

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import MCMC
from pyro.infer import NUTS as PyroNUTS

import probgen as pg
from probgen.inference.model_source import program_text
from probgen.inference.network_text import gaussian_text, network_text

DATA = {"y": torch.tensor([0.3, -0.2])}


def level(y=None):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))  # the only latent site
    pyro.sample("y", dist.Normal(mu, 1.0).expand([2]).to_event(1), obs=y)


class Level(pyro.nn.PyroModule):
    def forward(self, y=None):
        level(y)


def test_of_functions_objects_partials_and_handlers():
    assert "# the only latent site" in program_text(level)
    assert "class Level" in program_text(Level())
    assert program_text(functools.partial(level, y=None)) == program_text(level)
    assert program_text(poutine.scale(level, 2.0)) == program_text(level)
    assert "square" in program_text(pg.density(lambda square: -(square**2), {"square": ()}))
    assert program_text(print) == ""


def test_a_long_text_is_cut_to_what_a_file_can_hold(monkeypatch):
    monkeypatch.setattr("probgen.inference.model_source.source_text", lambda _: "ä" * 15_000)
    cut = program_text(level)
    assert len(cut.encode()) <= 20_000
    assert cut.endswith("ä\n...")


def test_of_networks():
    text = network_text(pg.load_network("cancer"))
    assert text.startswith("Bayesian network")
    assert "Xray (positive, negative) <- Cancer" in text
    assert "b <- a" in gaussian_text("g", ["a", "b"], [(), (0,)])


def test_programs_that_the_library_makes_have_none():
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.models import LinearGaussianBayesianNetwork

    from probgen.declare.networks.continuous import continuous_program

    model = LinearGaussianBayesianNetwork([("a", "b")])
    model.add_cpds(LinearGaussianCPD("a", [0], 1), LinearGaussianCPD("b", [0, 1], 1, ["a"]))
    assert program_text(continuous_program(model)[0]) == ""
    exact = pg.infer(model, data={"b": 1.0}, draws=5, chains=1, seed=0)
    assert "b <- a" in exact.attrs["model_source"]


@pytest.mark.parametrize("stored", [False, True])
def test_results_carry_it_into_files(tmp_path, stored):
    place = {"store": tmp_path / "run.zarr"} if stored else {}
    tree = pg.infer(
        level, pg.NUTS(), data=DATA, draws=20, warmup=20, chains=1, seed=0, progress=False,
        backend="torch", **place,
    )  # fmt: skip
    assert "# the only latent site" in tree.attrs["model_source"]
    path = pg.save(tree, tmp_path / "out.nc")
    for opened in (pg.open_tree(path), *map(pg.open_tree, place.values())):
        assert opened.attrs["model_source"] == tree.attrs["model_source"]
        opened.close()


def test_networks_carry_it():
    network = pg.load_network("cancer")
    for method in (pg.Exact(), pg.Gibbs()):
        tree = pg.infer(network, method, draws=10, chains=2, seed=0, progress=False)
        assert "Xray" in tree.attrs["model_source"]
    assert "Xray" in pg.prior(network, draws=5).attrs["model_source"]


def test_of_pyro_and_of_the_prior():
    mcmc = MCMC(PyroNUTS(level), num_samples=5, warmup_steps=5, disable_progbar=True)
    mcmc.run(**DATA)
    for tree in (pg.from_pyro(mcmc), pg.prior(level, DATA, draws=5)):
        assert "# the only latent site" in tree.attrs["model_source"]
