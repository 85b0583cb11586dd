"""The text of the page: what stands in it, that it is bounded, and that nothing escapes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from report_runs import (
    ATTRIBUTE,
    FORMULA,
    HOSTILE,
    SITE,
    bare,
    network,
    regression,
    wide,
)

from probgen.diagnose.report import report
from probgen.diagnose.report.featured import featured_scalars
from probgen.diagnose.report.pictures import drawn
from probgen.diagnose.report.runs import read_runs
from probgen.diagnose.report.svg import figure_svg, picture_style
from probgen.errors import DataError, OptionError

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Elements and attributes of a page; fails on tags that are not closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {}
        self.feed(path.read_text())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.words.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def text(self) -> str:
        shown = {tag: said for tag, said in self.words.items() if tag not in ("script", "style")}
        return " ".join(" ".join(" ".join(said).split()) for said in shown.values())


@pytest.fixture(scope="module")
def page(pages):
    return Page(pages / "one.html")


def test_the_verdict_comes_first_with_cause_and_next_step(page):
    headings = [said.strip() for said in page.words["h2"] if said.strip()]
    assert headings[0] == "Verdict"
    assert {"Summary", "Pictures", "Predictions", "How it was made"} <= set(headings)
    assert "Do not trust this posterior" in page.text
    assert {"Why", "Next"} <= set(page.words["dt"])


def test_how_it_was_made_is_told(page):
    for words in ("NUTS(target_accept=0.8)", "123 456", "2.9", "1.5 s", "(school: 5)"):
        assert words.replace(" ", " ") in page.text or words in page.text
    assert "return y < 3" in "".join(page.words["code"])


def test_every_picture_has_words_for_those_who_cannot_see_it(page):
    ids = {attrs["id"] for _, attrs in page.elements if attrs.get("id")}
    pictures = [a for tag, a in page.elements if tag == "div" and a.get("role") == "img"]
    assert len(pictures) >= 10
    assert "Prior and posterior." in page.words["strong"]
    for attrs in pictures:
        assert attrs["aria-labelledby"] in ids
        assert attrs["aria-describedby"] in ids
    assert "could not be drawn" not in page.text


def test_identifiers_are_not_used_twice(page):
    ids = [attrs["id"] for _, attrs in page.elements if attrs.get("id")]
    assert len(ids) == len(set(ids))


def test_links_lead_somewhere(page):
    ids = {attrs.get("id") for _, attrs in page.elements}
    for tag, attrs in page.elements:
        target = attrs.get("href") or ""
        if tag == "a":
            assert target[1:] in ids
        elif target.startswith("#"):
            assert target[1:] in ids, "a picture refers to a part that is not there"


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attrs in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "http" not in " ".join(page.words["style"])


def test_the_viewer_holds_the_draws_in_sixteen_bits(page):
    import base64

    (text,) = [t for t in page.words["script"] if t.startswith("[")]
    (run,) = json.loads(text)
    assert set(run["names"]) == {"mu", "tau", *(f"theta[{i}]" for i in range(5))}
    at = run["names"].index("mu")
    raw = np.frombuffer(base64.b64decode(run["trace"]), "<u2").reshape(7, 4, -1)
    low, high = run["low"][at], run["high"][at]
    read = low + raw[at] / 65535 * (high - low)
    drawn_ones = regression(shift=3.0)["posterior"]["mu"].values[:, :: run["step"]]
    np.testing.assert_allclose(read, drawn_ones, atol=(high - low) / 65535)
    for kind, bins in (("ranks", run["rank_bins"]), ("density", run["density_bins"])):
        counts = np.frombuffer(base64.b64decode(run[kind]), "<u2").reshape(7, 4, bins)
        assert (counts.sum(axis=2) == run["counted"]).all()


def test_names_and_notes_are_never_markup(pages):
    page = Page(pages / "hostile.html")
    assert page.all("img") == []
    assert len(page.all("script")) == 2
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    for words in (HOSTILE, SITE, ATTRIBUTE, FORMULA):
        assert words in page.text
    assert "could not be drawn" not in page.text


def test_an_unescaped_name_would_be_noticed(pages, tmp_path):
    text = (pages / "hostile.html").read_text()
    assert HOSTILE not in text
    path = tmp_path / "broken.html"
    path.write_text(text.replace("</h1>", f"{ATTRIBUTE}</h1>"))
    assert Page(path).all("img") != []


def test_pictures_keep_only_what_belongs_in_a_picture():
    with picture_style():
        from matplotlib.figure import Figure

        figure = Figure()
        figure.text(0.5, 0.5, HOSTILE)
        figure.text(0.5, 0.1, "linked", url="javascript:alert(1)")
        figure.text(0.2, 0.5, FORMULA)
        svg = figure_svg(figure, "p")
    assert "<script" not in svg
    assert "javascript" not in svg
    assert "&lt;script&gt;" in svg
    assert FORMULA in svg


def test_a_picture_that_fails_leaves_its_reason():
    def fails():
        raise ValueError("the bins are <b>bad</b>")

    picture = drawn("Energy", "e", fails, "caption", "seen")
    assert picture.svg == ""
    assert "the bins are" in picture.caption


def test_missing_groups_are_left_out_with_a_sentence(tmp_path):
    page = Page(report(bare(), tmp_path / "bare.html"))
    for words in (
        "No posterior predictive check",
        "No leave-one-out",
        "no sample_stats",
        "no data",
    ):
        assert words in page.text
    assert "could not be drawn" not in page.text


def test_degenerate_draws_do_not_stop_the_report(tmp_path):
    tree = bare()
    tree["posterior"] = tree["posterior"].to_dataset() * 0 + 1.0
    page = Page(report(tree, tmp_path / "constant.html"))
    assert "No pictures" in page.text
    tree = bare()
    tree["posterior"]["a"].values[0, 3] = np.nan
    tree["posterior"]["b"] = tree["posterior"]["a"].fillna(0.0)
    page = Page(report(tree, tmp_path / "nan.html"))
    assert "could not be drawn" not in page.text
    assert "Traces." in page.words["strong"]


@pytest.mark.parametrize("sampled", [True, False])
def test_networks_show_their_marginals(tmp_path, sampled):
    page = Page(report(network(sampled), tmp_path / "network.html"))
    assert "grass" in page.words["th"]
    assert "0.8000" in page.text
    assert HOSTILE in page.text
    assert ("ranks by chain" in page.text) == sampled
    assert "could not be drawn" not in page.text


def test_several_runs_are_compared(pages):
    page = Page(pages / "two.html")
    assert "Comparison" in page.words["h2"]
    assert "Leave-one-out: which run predicts best" in page.text
    ids = {attrs.get("id") for _, attrs in page.elements}
    assert {"run1", "run2", "t-loo", "t-common", "t-runs"} <= ids
    assert "could not be drawn" not in page.text


def test_runs_on_other_data_are_not_ranked(tmp_path, without_pictures):
    other = regression(2)
    other["observed_data"]["y"] = other["observed_data"]["y"] + 1
    page = Page(report([regression(1), other], tmp_path / "other.html"))
    assert "the runs saw other data" in page.text
    assert "t-loo" not in {attrs.get("id") for _, attrs in page.elements}


def test_what_the_findings_name_is_shown_close_up():
    (run,) = read_runs(wide(60))
    chosen = featured_scalars(run)
    assert len(chosen) == 6
    assert set(chosen) & {0, 1, 2} == {0, 1, 2}


def test_a_large_model_makes_a_bounded_page(tmp_path, without_pictures):
    path = report(wide(2500, draws=100), tmp_path / "wide.html")
    assert path.stat().st_size < 5_000_000
    page = Page(path)
    assert "2000 of 2500 rows" in page.text
    (text,) = [t for t in page.words["script"] if t.startswith("[")]
    assert 0 < len(json.loads(text)[0]["names"]) < 2500
    assert len([a for _, a in page.elements if a.get("role") == "img"]) < 15


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_results_are_read_from_files(tmp_path):
    regression().to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    regression(2).to_zarr(tmp_path / "run.zarr")
    files = [tmp_path / "run.nc", str(tmp_path / "run.zarr")]
    assert [run.label for run in read_runs(files)] == ["run.nc", "run.zarr"]
    assert len({run.label for run in read_runs([files[0], files[0]])}) == 2


def test_what_cannot_be_read_or_written_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no\.nc"):
        report(tmp_path / "no.nc", tmp_path / "page.html")
    (tmp_path / "text.nc").write_text("no draws")
    with pytest.raises(DataError, match=r"text\.nc"):
        report(tmp_path / "text.nc", tmp_path / "page.html")
    with pytest.raises(OptionError, match=r"\.html"):
        report(bare(), tmp_path / "page.txt")
    with pytest.raises(OptionError, match="does not exist"):
        report(bare(), tmp_path / "nowhere" / "page.html")
    with pytest.raises(OptionError, match="no result"):
        report([], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_pickle_is_not_loaded(tmp_path):
    import pickle

    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harmed",))

    (tmp_path / "run.nc").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(DataError):
        report(tmp_path / "run.nc", tmp_path / "page.html")
    assert not (tmp_path / "harmed").exists()


def test_the_given_model_is_shown_only_with_its_own_runs(tmp_path, without_pictures):
    def schools(y):
        return "of the schools"

    tree = regression()
    del tree.attrs["model_source"]
    assert "of the schools" in Page(report(tree, tmp_path / "a.html", model=schools)).text
    tree.attrs["model"] = "another"
    assert "of the schools" not in Page(report(tree, tmp_path / "b.html", model=schools)).text


def test_the_title_can_be_given(tmp_path, without_pictures):
    page = Page(report(bare(), tmp_path / "a.html", title="A <b>bold</b> title"))
    assert page.words["h1"] == ["A <b>bold</b> title"]
    assert re.search("A <b>bold</b> title", page.words["title"][0])


def test_the_most_probable_states_are_shown_as_such(tmp_path):
    tree = network(sampled=False)
    tree["marginals"]["probability"].values[:] = [0.0, 1.0, 0.0, 1.0, 0.0]
    tree.attrs["method"] = "MAP"
    page = Page(report(tree, tmp_path / "map.html"))
    cells = [said.strip() for said in page.words["td"]]
    assert "damp" in cells
    assert "wet" not in cells


@pytest.mark.parametrize("name", ["one", "two", "hostile"])
def test_headings_go_down_one_level_at_a_time(pages, name):
    page = Page(pages / f"{name}.html")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert levels.count(1) == 1
