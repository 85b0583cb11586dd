"""The verdict in print: digits, representatives of large sites, rich output, pictures."""

import io

import numpy as np
import pytest
from rich.console import Console
from synthetic_runs import CHAINS, DRAWS, funnel, normal, tree_of

from probgen.diagnose import diagnose, save_picture
from probgen.diagnose.rows import decimals, fixed
from probgen.diagnose.words import brief, chains_named, percent, quoted, round_up
from probgen.errors import DataError, OptionError


def terminal_text(thing) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(thing)
    return out.getvalue()


def test_text_holds_table_headline_cause_and_advice():
    posterior, diverging = funnel()
    verdict = diagnose(tree_of(posterior, diverging=diverging))
    for text in (str(verdict), terminal_text(verdict)):
        assert "theta[7]" in text
        assert "ess bulk" in text
        assert "Do not trust this posterior: 1 failure." in text
        assert "why" in text
        assert "non-centred" in text
    assert "failure" in repr(verdict)
    assert "\n" not in repr(verdict)


def test_a_notebook_shows_the_table_and_escapes_names():
    posterior, diverging = funnel()
    posterior["<b>"] = normal(3)
    html = diagnose(tree_of(posterior, diverging=diverging))._repr_html_()
    assert html.startswith("<pre")
    assert "ess bulk" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_a_large_site_is_represented_by_its_first_and_worst():
    theta = normal(1, 300)
    theta[0, :, 222] += 3
    text = str(diagnose(tree_of({"mu": normal(2), "theta": theta})))
    assert "theta[0]" in text
    assert "theta[222]" in text
    assert "... 292 more of theta" in text
    assert text.count("\n") < 40


def test_many_sites_are_cut_with_a_count():
    verdict = diagnose(tree_of({f"site_{i}": normal(i) for i in range(60)}))
    assert "... 20 more sites" in str(verdict)


def test_numbers_are_shown_to_their_monte_carlo_digits():
    verdict = diagnose(tree_of({"x": 1234.5 + 100 * normal(1)}))
    line = next(line for line in str(verdict).splitlines() if line.startswith("x"))
    assert "." not in line.split()[1]
    assert decimals(1.0, 0.03) == 2
    assert decimals(1.0, float("nan")) == 2
    assert decimals(0.0, float("nan")) == 3
    assert fixed(-0.004, 1) == "0.0"
    assert fixed(float("nan"), 1) == "-"
    assert fixed(3e9, 0) == "3e+09"


def test_small_words():
    assert quoted(["a", "b", "c", "d", "e"]) == "`a`, `b`, `c` and 2 more"
    assert chains_named([2]) == "chain 2"
    assert chains_named([0, 1, 3]) == "chains 0, 1 and 3"
    assert chains_named([0, 1], of=2) == "all 2 chains"
    assert percent(0.00025) == "0.025 %"
    assert percent(0.312) == "31 %"
    assert percent(1.0) == "100 %"
    assert brief(1234.5) == "1.23e+03"
    assert [round_up(n) for n in (0.4, 1, 7, 1001, 2400, 9001)] == [1, 1, 8, 1500, 2500, 10000]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_picture_is_written(tmp_path, ending):
    posterior, diverging = funnel()
    path = save_picture(tree_of(posterior, diverging=diverging), tmp_path / f"run.{ending}")
    assert path.stat().st_size > 10_000


def test_picture_shows_sites_and_verdict(tmp_path, monkeypatch):
    posterior, diverging = funnel()
    monkeypatch.setitem(__import__("matplotlib").rcParams, "svg.fonttype", "none")
    path = save_picture(tree_of(posterior, diverging=diverging), tmp_path / "run.svg")
    text = path.read_text()
    for words in ("Do not trust", "theta[7]", "tau", "divergent draws", "E-BFMI", "R-hat"):
        assert words in text


@pytest.mark.parametrize(
    "posterior",
    [
        {"mu": normal(1)},
        {"count": np.random.default_rng(1).poisson(3, (CHAINS, DRAWS))},
        {"mu": normal(1, chains=1)},
        {"mu": normal(1, chains=12, draws=40)},
        {"mu": np.concatenate([normal(1, chains=3), np.zeros((1, DRAWS))])},
        {"mu": np.repeat([[0.5], [1.5], [2.5], [3.25]], DRAWS, axis=1)},
        {"big": 1e6 + normal(1), "theta": normal(2, 200), "k": np.ones((CHAINS, DRAWS))},
    ],
    ids=["one", "counts", "one chain", "many chains", "stuck", "all stuck", "scales"],
)
def test_picture_of_odd_runs(tmp_path, posterior):
    assert save_picture(tree_of(posterior, stats={}), tmp_path / "odd.png").exists()


def test_picture_without_draws_or_format(tmp_path):
    with pytest.raises(DataError, match="nothing to draw"):
        save_picture(tree_of({"k": np.ones((CHAINS, DRAWS))}), tmp_path / "k.png")
    with pytest.raises(OptionError, match=r"must end in one of \.png"):
        save_picture(tree_of({"mu": normal(1)}), tmp_path / "mu.docx")
    with pytest.raises(OptionError, match="cannot be written"):
        save_picture(tree_of({"mu": normal(1)}), tmp_path / "missing" / "mu.png")
