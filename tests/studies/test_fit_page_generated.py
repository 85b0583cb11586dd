"""Pages of programs that draw data: samples, interpolations, quality, nearest rows, looks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

import probgen as pg
from probgen.declare.implicit import Implicit
from probgen.learn.training.watch import Watch
from probgen.models.realnvp import RealNVP
from probgen.nets.flows.dequantised import DequantisedFlow
from probgen.studies.fit_page import generated, watched
from probgen.studies.fit_page.cases import Cases
from probgen.studies.fit_page.likeness import quality_section
from probgen.studies.fit_page.memorised import nearest_section
from probgen.studies.fit_page.program import Program, is_implicit
from tests.learn.shaded import Shaded
from tests.learn.training.collapsing import Led, Ring, ring

sys.path.append(str(Path(__file__).parents[1] / "diagnose" / "report"))
OPTIONS = {"seed": 1, "progress": False, "threads": 1}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(generated, "JUDGED", 120)


class Images(PyroModule):
    """Labels "y", and an implicit image "x" that is light or dark by the label and by "z"."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.linspace(-1, 1, 16))

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> None:
        rows = next((len(v) for v in (x, y) if v is not None), 1)
        with pyro.plate("case", rows):
            y = pyro.sample("y", dist.Categorical(torch.ones(2)), obs=y)
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", Implicit((2.0 * y[:, None] - 1) * self.slope + 0.1 * z, 1), obs=x)


def image_data(rows: int = 150) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    y = torch.randint(2, (rows,), generator=random)
    z = torch.randn(rows, 1, generator=random)
    return {"x": (2.0 * y[:, None] - 1) * torch.linspace(-1, 1, 16) + 0.1 * z, "y": y}


def words_of(path):
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", path.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'").split())


@pytest.fixture(scope="module")
def implicit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated, "JUDGED", 120)
        fitted = pg.fit(Images(), Led(at=999), data=image_data(), watch=True, epochs=4, **OPTIONS)
        return pg.report(fitted, folder / "implicit.html", data=image_data())


def test_the_page_of_an_implicit_program_has_every_part(implicit):
    text, words = implicit.read_text(), words_of(implicit)
    for part in ("Draws over time", "Samples", "Interpolations", "Quality"):
        assert f">{part}</h2>" in text
    assert ">Nearest training rows</h2>" in text
    assert "from one draw of the latents, left" in words
    assert re.search(r"Everywhere y = [01]\.", words)
    assert "step 3, 6, 9, 12" in words.replace("steps", "step")
    assert "watched spread" in words
    assert "could not be drawn" not in words
    assert "KID (lower is better)" in words
    assert "A row for each label; draws of a row are independent." in words
    assert "independent, and below each is its label" in words  # of draws over time
    assert "Draws of y" not in words
    assert "Left the 8 draws that are nearest" in words


def test_the_page_fits_a_phone_in_the_dark_and_loads_nothing(implicit):
    from headless_browser import CHROMIUM, Browser

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with Browser() as browser:
        browser.size(360)
        browser.media("", "dark")
        browser.open(implicit)
        assert browser.console == []
        assert [u for u in browser.requests if not u.startswith(("file:", "data:"))] == []
        assert browser.run("document.documentElement.scrollWidth") <= 360


def test_a_flow_has_its_draws_over_the_data_and_ways_through_its_noise(tmp_path):
    data = ring(200)
    fitted = pg.fit(RealNVP(), data=data, epochs=1, watch=True, validation=0.4, **OPTIONS)
    path = pg.report(fitted, tmp_path / "flow.html", data=data, validation=0.4)
    words = words_of(path)
    assert "Every dot is a draw. The data in grey." in words
    assert "Between two draws of noise" in words
    assert "A panel for each look" in words
    assert "against as many held-out cases" in words
    assert "held-out rows" in words
    assert "could not be drawn" not in words


def test_without_data_the_page_says_what_it_lacks(tmp_path):
    fitted = pg.fit(Images(), Led(at=999), data=image_data(), epochs=1, **OPTIONS)
    words = words_of(pg.report(fitted, tmp_path / "a.html"))
    assert "No quality and no nearest rows: the data are not known" in words
    assert "Draws of x" in words


def test_columns_are_shown_as_marginals_with_those_of_the_data(tmp_path):
    data = torch.randint(0, 5, (120, 3)).float()
    flow = DequantisedFlow("nice", 3, 5, hidden=(4,))
    fitted = pg.fit(flow, pg.MaximumLikelihood(), data=data, epochs=1, **OPTIONS)
    words = words_of(pg.report(fitted, tmp_path / "c.html", data=data))
    assert "Histograms of columns" in words
    assert re.search(r"column 2: mean [\d.]+, of the data [\d.]+", words)


def test_a_collapse_stands_at_the_top(tmp_path):
    fitted = pg.fit(Ring(), Led(at=5, how="one mode"), data=ring(), watch=Watch(), **OPTIONS)
    words = words_of(pg.report(fitted, tmp_path / "r.html", data=ring()))
    assert "The draws have hardly spread" in words.partition("History")[2]
    assert words.index("hardly spread") < words.index("Every dot is a draw")


def test_images_of_a_conditional_program_stand_in_rows_by_class(monkeypatch):
    shown = {}

    def noted(title, prefix, images, caption, *, across, rows=(), labels=()):
        shown[title] = images.reshape(-1, across, *images.shape[1:]), list(rows), list(labels)
        return title

    monkeypatch.setattr(generated, "image_picture", noted)
    monkeypatch.setattr(watched, "image_picture", noted)
    y = torch.arange(150) % 3
    data = {"x": y[:, None] / 2 + torch.zeros(150, 16), "y": y}
    program = Program(Shaded(), Cases(data, {}, 150, 0), seed=1)
    generated.generated_sections(program)
    images, rows, _ = shown["Draws of x"]
    assert images.shape == (3, 16, 4, 4)
    assert rows == ["y = 0", "y = 1", "y = 2"]
    assert (abs(images.mean((1, 2, 3)) - [0, 0.5, 1]) < 0.02).all()
    fitted = pg.fit(Shaded(), Led(at=999), data=data, watch=Watch(), epochs=2, **OPTIONS)
    watched.watched_section(fitted, None)
    images, rows, labels = shown["x over time"]
    assert rows == ["step 3", "step 6"]
    assert labels == (["0"] * 4 + ["1"] * 4 + ["2"] * 4) * 2
    wanted = torch.tensor([float(label) / 2 for label in labels]).reshape(2, 12)
    assert (abs(images.mean((2, 3)) - wanted.numpy()) < 0.02).all()


def test_latents_are_decoded_with_labels_held():
    program = Program(Images(), Cases(image_data(), {}, 150, 0), seed=1)
    assert is_implicit(program)
    assert program.latents() == {"z": 1}
    found = program.decoded({"z": torch.linspace(-1, 1, 5)[:, None]}, 5)
    assert found["y"].unique().numel() == 1
    step = found["x"].diff(dim=0)
    assert torch.allclose(step, torch.full_like(step, 0.05), atol=1e-6)
    assert not is_implicit(Program(RealNVP(), None, 1))


@pytest.mark.parametrize("copied", [True, False])
def test_copies_of_training_rows_are_noticed(copied):
    random = torch.Generator().manual_seed(1)
    training, held_out = torch.randn(2, 200, 2, generator=random)
    program = Program(Ring(), Cases({"x": training}, {"x": held_out}, 200, 200), seed=1)
    new = torch.randn(200, 2, generator=random)
    draws = training + 0.001 * new if copied else new
    section, card = nearest_section(program, "x", draws)
    assert card.tone == ("care" if copied else "good")
    assert card.headline.startswith("Draws are" if copied else "No copies: draws are")
    assert card.headline.endswith("times as far from training rows as held-out rows are.")
    assert len(section.tables[0].table.lines) == 2


def test_draws_far_away_are_told_in_plain_numbers_and_what_they_are_compared_with():
    training = torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    program = Program(Ring(), Cases({"x": training}, {}, 100, 0), seed=1)
    headline = nearest_section(program, "x", training + 1e4)[1].headline
    assert re.search(r"are \d{2,3},\d{3} times", headline)
    assert headline.endswith("as those are from each other.")


@pytest.mark.parametrize(("kept", "stray", "said"), [
    (1.0, 0.0, "Most draws lie among the data"),
    (0.02, 0.0, "Draws miss most of the data"),
    (1.0, 9.0, "Most draws are unlike the data"),
])  # fmt: skip
def test_draws_unlike_the_data_or_missing_most_of_it_are_not_called_good(kept, stray, said):
    random = torch.Generator().manual_seed(1)
    training, held_out, new = torch.randn(3, 200, 2, generator=random)
    program = Program(Ring(), Cases({"x": training}, {"x": held_out}, 200, 200), seed=1)
    _, cards = quality_section(program, "x", kept * new + stray, 200)
    assert [card.headline.startswith(said) for card in cards] == [True]
    assert cards[0].tone == ("good" if (kept, stray) == (1.0, 0.0) else "care")
    assert {finding.check for finding in cards[0].findings} <= {"precision", "coverage"}
