"""Generative models side by side: one space, a floor, likelihoods, and no row lost."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

import probgen as pg
from probgen.declare.implicit import Implicit
from probgen.errors import DataError, OptionError
from probgen.models.rbm import RBM
from probgen.models.vae import VAE
from probgen.nets.flows.model import FlowModel
from probgen.studies.fit_page import samples
from probgen.studies.generative import draws

sys.path.append(str(Path(__file__).parents[2] / "diagnose" / "report"))
CENTRE = torch.tensor([2.0, -1.0])
FEW = tuple((method, {"chains": 4, "draws": 100, "warmup": 20}) for method, _ in samples.RUNS)
QUICK = ("energy_distance", "recall", "coverage")


class Shifted(PyroModule):
    """Normal points around `centre`, as an implicit program."""

    def __init__(self, centre: Tensor = CENTRE, scale: float = 1.0) -> None:
        super().__init__()
        self.centre = nn.Parameter(centre.clone())
        self.scale = scale

    def forward(self, x: Tensor | None = None) -> None:
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", Implicit(self.centre + self.scale * z, 1), obs=x)


class Explicit(Shifted):
    """The same points, with their density."""

    def forward(self, x: Tensor | None = None) -> None:
        with pyro.plate("case", 1 if x is None else len(x)):
            pyro.sample("x", dist.Normal(self.centre, self.scale).to_event(1), obs=x)

    def log_prob(self, x: Tensor) -> Tensor:
        return dist.Normal(self.centre, self.scale).to_event(1).log_prob(x)


def points(rows: int = 300, seed: int = 0) -> Tensor:
    return CENTRE + torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed))


def compared(models, data=None, **options):
    data = points() if data is None else data
    return pg.compare(models, data=data, progress=False, **{"metrics": QUICK, **options})


@pytest.fixture(scope="module")
def three():
    models = {
        "right": Shifted(),
        "far": Shifted(CENTRE + 1.0),
        "narrow": Shifted(scale=0.2),
        "density": Explicit(),
    }
    return compared(models, seeds=3)


def test_each_fault_shows_in_its_metric(three):
    table = three.to_frame()
    assert abs(table.loc["right", "energy_distance"] - table.loc["data", "energy_distance"]) < 0.1
    far = table.loc["far"]
    assert far["energy_distance"] > 0.1 + 5 * far["energy_distance_sd"]
    assert table.loc["narrow", "recall"] < 0.3 < 0.8 < table.loc["right", "recall"]
    assert table.loc["data", "coverage"] > 0.85
    assert three.best["energy_distance"] in ("right", "density")
    assert (table["status"] == "done").all()


def test_the_right_model_is_at_the_floor_within_its_errors(three):
    quality = three.tree["quality"]
    for name in QUICK:
        floor, own = (quality[name].sel(model=m).values for m in ("data", "right"))
        spread = np.hypot(floor.std(ddof=1), own.std(ddof=1))
        assert abs(floor.mean() - own.mean()) < 4 * spread + 0.02, name


def test_each_seed_has_draws_of_its_own(three):
    values = three.tree["quality"]["energy_distance"].sel(model="right").values
    assert len(set(values.tolist())) == 3


def test_likelihoods_are_given_where_there_are_any(three):
    table = three.table
    assert table.loc["right", "likelihood"] == "none: implicit"
    assert np.isnan(table.loc["right", "log_likelihood"])
    expected = dist.Normal(CENTRE, 1.0).to_event(1).log_prob(points()).mean()
    assert table.loc["density", "log_likelihood"] == pytest.approx(float(expected), abs=1e-5)
    assert table.loc["density", "likelihood"] == "exact"
    assert table.loc["right", "parameters"] == 2
    assert table.loc["right", "seconds_per_1000"] > 0
    assert np.isnan(table.loc["right", "training_seconds"])  # a module that was not fitted here


def test_the_printed_table_has_every_row_and_says_what_it_is(three):
    text = repr(three)
    told = ("right", "far", "data", "energy distance", "none: implicit", "nats per case", "±")
    for word in told:
        assert word in text
    assert "150 draws against as many rows of data, 3 times" in text
    assert "right: no likelihood. The model has no density." in text
    assert "<table" in three._repr_html_()


def test_the_same_seeds_give_the_same_numbers():
    def distance(seed):
        found = compared({"a": Shifted()}, seeds=[seed], metrics=("energy_distance",))
        return found.table.loc["a", "energy_distance"]

    assert distance(4) == distance(4) != distance(5)


class Breaks(Shifted):
    def forward(self, x: Tensor | None = None) -> None:
        raise RuntimeError("the generator is made of wood")


class Undefined(Shifted):
    def __init__(self) -> None:
        super().__init__(torch.tensor([float("nan"), 0.0]))


def test_failures_are_rows_with_their_reason():
    found = compared({"wood": Breaks(), "right": Shifted(), "nan": Undefined()}, seeds=1)
    table = found.table
    assert table.loc["wood", "status"] == table.loc["nan", "status"] == "failed"
    assert "made of wood" in table.loc["wood", "reason"]
    assert "NaN" in table.loc["nan", "reason"]
    assert table.loc["right", "status"] == "done"
    assert "wood: " in repr(found)
    assert set(found.best.values()) == {"right"}


def test_too_few_rows_for_a_metric_are_told_and_the_others_stay():
    wide = torch.randn(60, 40, generator=torch.Generator().manual_seed(1))
    model = Shifted(torch.zeros(40))
    model.forward = lambda x=None: _wide(model, x)
    found = compared({"a": model}, wide, metrics=("fid", "kid"), seeds=1)
    assert np.isnan(found.table.loc["a", "fid"])
    assert np.isfinite(found.table.loc["a", "kid"])
    assert "fid left out" in repr(found)


def _wide(model, x):
    with pyro.plate("case", 1 if x is None else len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(40), 1.0).to_event(1))
        pyro.sample("x", Implicit(model.centre + z, 1), obs=x)


def test_spaces_are_brought_together_by_data_and_transforms():
    """Of one law in two units: with the transform at the floor, without it far away."""
    metres, feet = Shifted(), Shifted(3.28 * CENTRE, 3.28)
    data = {"metres": points(), "feet": 3.28 * points()}
    models = {"metres": metres, "feet": feet}
    found = compared(models, data, transform={"feet": lambda x: x / 3.28}, seeds=2)
    distance = found.table["energy_distance"]
    assert abs(distance["feet"] - distance["data"]) < 0.1
    assert "differ" not in repr(found)
    apart = compared(models, data, seeds=1)
    assert apart.table.loc["feet", "energy_distance"] > 1.0
    assert "feet: Its data in the common space differ" in repr(apart)


def test_draws_in_other_units_than_the_data_are_noted():
    bits = (points() > CENTRE).float()
    found = compared({"other": Explicit(CENTRE, 3.0), "same": Explicit(scale=0.1)},
                     torch.cat([points(), 9 * points()]), seeds=1)  # fmt: skip
    assert "Its draws lie" not in repr(found)
    found = compared({"other": Explicit(CENTRE - 5, 3.0)}, bits, seeds=1)
    assert re.search(r"other: Its draws lie between -.*, the data between 0 and 1:", repr(found))
    assert "of data, once. Features" in repr(found)


def test_one_data_set_is_of_the_common_space_and_draws_are_transformed():
    model = Explicit(10 * CENTRE, 10.0)
    found = compared({"tens": model}, points(), transform={"tens": lambda x: x / 10}, seeds=1)
    assert abs(found.table.loc["tens", "energy_distance"]) < 0.3
    assert found.table.loc["tens", "likelihood"] == "none: another space"
    assert "give each model its own" in repr(found)


def test_likelihoods_of_different_values_are_said_not_to_compare():
    data = {"one": points(), "ten": 10 * points()}
    models = {"one": Explicit(), "ten": Explicit(10 * CENTRE, 10.0)}
    found = compared(models, data, transform={"ten": lambda x: x / 10}, seeds=1)
    assert "are of different values (one; ten)" in repr(found)
    gap = found.table["log_likelihood"].diff()["ten"]
    assert gap == pytest.approx(-2 * np.log(10), abs=1e-4)


def test_the_reference_stands_for_perfect_draws():
    far = points(seed=7) + 3.0
    found = compared({"right": Shifted()}, points(), reference=far, seeds=1)
    assert found.table.loc["data", "energy_distance"] > 1.0
    assert found.table.loc["right", "energy_distance"] < 0.5
    assert found.tree.attrs["rows"] == 300  # all rows of the data


def test_every_family_has_its_row(monkeypatch):
    monkeypatch.setattr(samples, "RUNS", FEW)
    monkeypatch.setattr(draws, "RUNS", FEW)
    data = (torch.rand(80, 9, generator=torch.Generator().manual_seed(1)) < 0.5).float()

    class Coins(Shifted):
        def forward(self, x: Tensor | None = None) -> None:
            with pyro.plate("case", 1 if x is None else len(x)):
                z = pyro.sample("z", dist.Bernoulli(torch.full((9,), 0.5)).to_event(1))
                pyro.sample("x", Implicit(z, 1), obs=x)

    flow = FlowModel("nice", 9, hidden=(4,))
    flow.start_from([{"x": data}])
    vae = pg.fit(VAE(9, 2, (4,)), data={"x": data}, epochs=1, seed=1, ema=0.9, progress=False)
    models = {"RBM": RBM(visible=9, hidden=2), "VAE": vae, "flow": flow, "GAN": Coins()}
    found = compared(models, data, seeds=1, metrics=("kid",))
    table = found.table
    assert (table["status"] == "done").all(), table["reason"].tolist()
    families = ["data", "Boltzmann machine", "latent variables", "flow", "implicit"]
    assert table["family"].tolist() == families
    assert np.isfinite(table.loc[["RBM", "VAE", "flow"], "log_likelihood"]).all()
    assert table.loc["RBM", "likelihood"] == "exact"
    assert "below" in table.loc["VAE", "likelihood"]
    assert table.loc["VAE", "training_seconds"] == vae.summary["seconds"]
    assert table.loc["RBM", "kid"] < 0.1
    assert "RBM: Chains of" in repr(found)


def test_machines_draw_tempered_where_plain_chains_are_not_trusted(monkeypatch):
    from types import SimpleNamespace

    asked = []

    def chains(machine, method, counts, seed):
        asked.append(method.name)
        return method.name

    def judged(tree):
        good = tree != samples.RUNS[0][0].name
        ess = pd.DataFrame({"ess_bulk": [50.0]})
        return SimpleNamespace(trustworthy=good, headline="fine" if good else "stuck", table=ess)

    monkeypatch.setattr(draws, "chains_of", chains)
    monkeypatch.setattr(draws, "diagnose", judged)
    monkeypatch.setattr(draws, "values_of", lambda machine, tree: {"x": torch.zeros(2, 50, 4)})
    from probgen.studies.generative.entries import read_entries

    (entry,) = read_entries({"RBM": RBM(visible=4, hidden=2)}, torch.zeros(30, 4), None)
    drawing = draws.Drawing(entry)
    drawn = drawing(30, 1)
    assert drawn.values.shape == (30, 4)
    assert drawn.worth == 50.0
    drawing(30, 2)
    assert asked[0] != asked[1] == asked[2]
    assert len(asked) == 3


def test_the_page_shows_all_and_fits_a_phone(three, tmp_path):
    from headless_browser import CHROMIUM, Browser

    path = three.save(tmp_path / "compared.html")
    text = path.read_text()
    assert "could not be drawn" not in text
    assert text.count("<svg") == 2
    for word in ("right", "narrow", "Draws side by side", "none: implicit", "Shifted("):
        assert word in text
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser() as browser:
        browser.size(360)
        browser.media("", "dark")
        browser.open(path)
        assert browser.console == []
        assert browser.run("document.documentElement.scrollWidth") <= 360


def test_pictures_and_files(three, tmp_path):
    from matplotlib import pyplot

    figures = three.plot()
    assert list(figures) == ["samples", "quality"]
    for figure in figures.values():
        pyplot.close(figure)
    frame = pd.read_csv(three.save(tmp_path / "a.csv"), index_col=0)
    assert frame.loc["far", "recall"] == pytest.approx(three.table.loc["far", "recall"])
    assert three.save(tmp_path / "a.nc").exists()
    with pytest.raises(OptionError, match=r"\.html, \.csv or \.nc"):
        three.save(tmp_path / "a.png")


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(OptionError, match="not trained"):
        compared({"a": Shifted})
    with pytest.raises(OptionError, match="there is no model 'b'"):
        compared({"a": Shifted()}, transform={"b": lambda x: x})
    with pytest.raises(OptionError, match="'quality' is none of"):
        compared({"a": Shifted()}, metrics=("quality",))
    with pytest.raises(OptionError, match="chains is an option of comparing methods"):
        compared({"a": Shifted()}, chains=4)
    with pytest.raises(OptionError, match="transform is an option of comparing generative"):
        pg.compare(Shifted(), [pg.NUTS()], transform={})
    with pytest.raises(OptionError, match="compare needs methods"):
        pg.compare(Shifted(), data=points())
    with pytest.raises(DataError, match="the least"):
        compared({"a": Shifted()}, points(30))
    with pytest.raises(DataError, match="different numbers of rows"):
        compared({"a": Shifted(), "b": Shifted()}, {"a": points(300), "b": points(200)})
    with pytest.raises(OptionError, match="what the row of the data is called"):
        compared({"data": Shifted()})


@pytest.mark.slow
def test_four_families_on_digits(tmp_path):
    """Trained a little each; the real rows come out ahead, and every family has its numbers."""
    from probgen.models import _digits
    from probgen.models.gan import GAN
    from probgen.models.image_flow import ImageFlow

    binary = {part: _digits.pixels(part) for part in ("train", "test")}
    ink = {part: _digits.grey(part) for part in ("train", "test")}
    options = {"seed": 1, "progress": False, "threads": 1}
    grey = {part: value / 8 - 1 for part, value in ink.items()}
    gan = pg.fit(GAN(64, bounded=True), data={"x": grey["train"]}, epochs=150, **options)
    fits = {
        "RBM": pg.fit(RBM(hidden=64), data=binary["train"], epochs=60, **options),
        "VAE": pg.fit(VAE(), data={"x": binary["train"]}, epochs=60, **options),
        "flow": pg.fit(ImageFlow(), data={"x": ink["train"]}, epochs=40, **options),
        "GAN": gan,
    }
    data = {"RBM": binary, "VAE": binary, "flow": ink, "GAN": grey}
    found = pg.compare(
        fits,
        data={label: parts["test"] for label, parts in data.items()},
        transform={"flow": lambda x: (x >= 8).float(), "GAN": lambda x: (x >= 0).float()},
        labels=_digits.labels("test"),
        progress=False,
    )
    table = found.table
    assert (table["status"] == "done").all(), table["reason"].tolist()
    assert (table["fid"].drop("data") > table.loc["data", "fid"]).all()
    assert np.isfinite(table.loc[["RBM", "VAE", "flow"], "log_likelihood"]).all()
    assert table.loc["GAN", "likelihood"] == "none: implicit"
    assert (table.loc[["RBM", "VAE"], "log_likelihood"] > -25.21).all()  # independent pixels
    assert "could not be drawn" not in found.save(tmp_path / "d.html").read_text()


class Number(PyroModule):
    """A number a row, without a dimension of its own."""

    def __init__(self, scale):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: Tensor | None = None) -> None:
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", Implicit(self.scale * z, 0), obs=x)


def test_rows_may_be_single_numbers():
    x = torch.randn(200, generator=torch.Generator().manual_seed(0))
    models = {"right": Number(1.0), "wide": Number(3.0)}
    apart = compared(models, x, metrics=("energy_distance",), seeds=1).table["energy_distance"]
    assert apart["right"] < 0.1 < apart["wide"]
