"""The page of a fit: what it shows, where its numbers come from, and what it refuses to say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import probgen as pg
from probgen.errors import DataError, OptionError, SamplingError
from probgen.learn.program_fit import ProgramFit
from probgen.models.class_rbm import ClassRBM
from probgen.models.dbn import DBN
from probgen.models.gaussian_rbm import GaussianRBM
from probgen.models.ratings_rbm import RatingsRBM
from probgen.models.rbm import RBM
from probgen.models.rbm import data as digits_data
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.studies.fit_page import likelihood, page, samples
from probgen.studies.fit_page.cases import Cases
from probgen.studies.fit_page.images import pixels_of
from tests.learn.training.toys import Gaussian, LikelihoodMethod, normal_data

sys.path.append(str(Path(__file__).parents[1] / "diagnose" / "report"))
FEW = tuple((method, {"chains": 4, "draws": 60, "warmup": 20}) for method, _ in samples.RUNS)


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    monkeypatch.setattr(samples, "RUNS", FEW)
    monkeypatch.setattr(likelihood, "BETAS", (100, 300))


def trained(model, epochs=2, **options):
    return pg.fit(model, seed=1, epochs=epochs, progress=False, **options)


def words_of(path):
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", path.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'").split())


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "RUNS", FEW)
        patch.setattr(likelihood, "BETAS", (100, 300))
        fitted = trained(RBM(hidden=30), validation=0.2)
        path = tmp_path_factory.mktemp("page") / "rbm.html"
        return pg.report(fitted, path, validation=0.2)


def test_the_page_of_digits_has_every_part(digits):
    text, words = digits.read_text(), words_of(digits)
    for part in ("History", "Likelihood", "Filters", "Samples", "Inpainting", "How it was made"):
        assert f">{part}</h2>" in text
    assert "training cases (1438)" in words
    assert "held-out cases (359)" in words
    assert "class RBM(BoltzmannMachine)" in words
    assert "pseudo likelihood (monitor)" in words
    assert "R-hat" in words


def test_every_picture_says_what_is_to_be_seen(digits):
    text = digits.read_text()
    pictures = re.findall(
        r'role="img" aria-labelledby="([\w-]+)" aria-describedby="([\w-]+)"', text
    )
    assert len(pictures) >= 6
    for title, seen in pictures:
        assert re.search(rf'id="{title}">[^<]+<', text)
        assert re.search(rf'<p id="{seen}"[^>]*>[^<]{{20,}}', text)
    assert text.count("<svg") == len(pictures)
    assert "could not be drawn" not in text


def test_the_page_needs_no_network(digits):
    text = digits.read_text()
    assert not re.search(r'(?:src|href|action)="(?!#|data:)', text)
    assert "https://" not in text
    assert "default-src &#39;none&#39;" in text


def test_the_page_loads_in_a_browser_without_errors_in_the_dark_and_on_a_phone(digits):
    from headless_browser import CHROMIUM, Browser

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser() as browser:
        browser.size(360)
        browser.media("", "dark")
        browser.open(digits)
        assert browser.console == []
        assert [u for u in browser.requests if not u.startswith(("file:", "data:"))] == []
        assert browser.run("document.documentElement.scrollWidth") <= 360


def test_independent_units_are_judged_as_by_hand():
    machine = RBM(visible=3, hidden=2)
    rng = np.random.default_rng(1)
    seen = torch.from_numpy((rng.random((40, 3)) < [0.2, 0.5, 0.9]).astype(np.float32))
    rates = (seen.sum(0) + 1) / 42
    own = (seen * rates.log() + (1 - seen) * (1 - rates).log()).sum(1).numpy()
    found = likelihood.independent_log_likelihood(machine, {"x": seen}, {"x": seen})
    assert np.allclose(found, own, atol=1e-5)
    other = likelihood.independent_log_likelihood(machine, {"x": 1 - seen}, {"x": seen})
    assert not np.allclose(other, own, atol=1e-1)


def test_a_small_machine_has_its_exact_likelihood_and_a_heat_map(tmp_path):
    fitted = trained(GaussianRBM(hidden=3), validation=0.2)
    words = words_of(pg.report(fitted, tmp_path / "g.html", validation=0.2))
    told = re.search(r"(-\d+\.\d+) nats per held-out case, exact", words)
    last = fitted.summary["last_validation_log_likelihood"]
    assert float(told[1]) == pytest.approx(last, abs=0.006)
    assert "Heat map of 13 x 3 weights" in words


def test_a_bound_is_not_called_exact():
    """Of a machine whose log Z is exact, and whose hidden layers are bounded."""
    deep = BoltzmannMachine([Units("x", 2), Units("h", 16), Units("g", 16)], 0.1)
    values = {"x": torch.tensor([[0.0, 1.0], [1.0, 1.0]])}
    section, card = likelihood.likelihood_section(deep, Cases(values, {}, 2, 0), seed=1)
    told = "below given log Z, by mean field"
    assert told in card.headline
    assert "exact" not in card.headline
    assert section.paragraphs[0] == f"Bound: {told}."


def test_a_label_stands_under_each_draw(tmp_path):
    fitted = trained(ClassRBM(hidden=12), epochs=1)
    text = pg.report(fitted, tmp_path / "c.html").read_text()
    assert "below each, its y" in text
    assert "Weights to y" in text


def test_ratings_have_no_likelihood_and_the_page_says_why(tmp_path):
    words = words_of(pg.report(trained(RatingsRBM(hidden=4)), tmp_path / "r.html"))
    assert "This machine has no likelihood" in words
    assert "Optional units" in words
    assert "rating, share right" in words


def test_an_unreliable_likelihood_is_refused_not_shown(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise SamplingError("The walks back disagree by 30 nats.")

    fitted = trained(RBM(hidden=30), epochs=1)
    monkeypatch.setattr(likelihood, "log_likelihood", refused)
    words = words_of(pg.report(fitted, tmp_path / "r.html"))
    assert "The estimate is refused" in words
    assert "The walks back disagree by 30 nats." in words
    assert "nats per training case" not in words
    assert "Filters" in words


def test_a_machine_worse_than_independent_units_is_called_so():
    machine = RBM(visible=16, hidden=4)
    with torch.no_grad():
        machine.biases[0].fill_(-3.0)
    ones = torch.ones(50, 16)
    cases = page.Cases({"x": ones}, {}, 50, 0)
    section, card = likelihood.likelihood_section(machine, cases, 1)
    assert card.tone == "bad"
    assert card.findings[0].check == "baseline"
    assert "Nothing was held out" in section.paragraphs[-1]


def test_other_programs_have_their_history(tmp_path):
    fitted = pg.fit(Gaussian(), LikelihoodMethod(), data={"x": normal_data()}, epochs=3, seed=1,
                    progress=False)  # fmt: skip
    text = pg.report(fitted, tmp_path / "g.html").read_text()
    assert ">History</h2>" in text
    assert ">Filters</h2>" not in text


def test_without_data_the_page_has_what_needs_none(tmp_path):
    machine = BoltzmannMachine([Units("x", 9), Units("h", 4)])
    data = torch.from_numpy(np.random.default_rng(2).random((60, 9)) < 0.4).float()
    fitted = trained(machine, epochs=2, method=pg.CD(), data=data)
    words = words_of(pg.report(fitted, tmp_path / "n.html"))
    assert "the data are not known" in words
    assert "Weights to x" in words
    words = words_of(pg.report(fitted, tmp_path / "d.html", data=data))
    assert "nats per training case, exact" in words


def test_data_that_were_not_trained_on_are_not_taken_for_those(tmp_path):
    data = digits_data()["x"]
    fitted = trained(RBM(hidden=4), epochs=1, data=data[:500])
    words = words_of(pg.report(fitted, tmp_path / "o.html"))
    assert "the data are not known" in words
    with pytest.raises(DataError, match="500 rows were trained on, and these are 1797"):
        pg.report(fitted, tmp_path / "p.html", data=data)


def test_a_square_block_or_a_declared_shape_is_an_image():
    assert pixels_of(RBM(64)).shape == (8, 8)
    assert pixels_of(RBM(12)) is None
    assert pixels_of(RBM(9)) is None
    machine = RBM(12)
    machine.image_shape = (3, 4)
    assert pixels_of(machine).shape == (3, 4)
    assert pixels_of(ClassRBM()).units.name == "x"


def test_what_does_not_fit_is_refused(tmp_path):
    fitted = ProgramFit(RBM(16), xr.DataTree(), None, {})
    with pytest.raises(OptionError, match=r"\.html"):
        pg.report(fitted, tmp_path / "page.txt")
    with pytest.raises(OptionError, match="model="):
        pg.report(fitted, tmp_path / "p.html", model=RBM)
    with pytest.raises(OptionError, match="data="):
        pg.report(xr.DataTree(), tmp_path / "p.html", data={"x": [1]})
    fitted = trained(RBM(16, 4), epochs=1, data=torch.zeros(20, 16))
    with pytest.raises(DataError, match="'x'"):
        pg.report(fitted, tmp_path / "p.html", data=torch.full((20, 16), 7.0))
    assert not (tmp_path / "p.html").exists()


def test_a_deep_belief_network_has_filters_draws_and_a_bound(tmp_path):
    data = torch.eye(16).repeat(3, 1)
    fitted = trained(DBN(16, (6, 5)), epochs=1, data=data)
    words = words_of(pg.report(fitted, tmp_path / "d.html", data=data))
    assert "Variational bound" in words
    assert "Weight images of 6 hidden units" in words
    assert "Draws by Gibbs" in words
    assert "Completed images" not in words
