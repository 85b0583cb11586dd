"""The page in a real browser: no errors, no requests, tables that sort, a viewer that answers."""

from __future__ import annotations

import pytest
from headless_browser import CHROMIUM, Browser
from report_runs import regression

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        opened.size(1100)
        opened.media("", "light")
        yield opened


@pytest.fixture
def two(browser, pages):
    browser.open(pages / "two.html")
    return browser


@pytest.mark.parametrize("name", ["two", "hostile", "wide"])
def test_pages_load_without_errors_or_requests(browser, pages, name):
    browser.open(pages / f"{name}.html")
    assert browser.console == []
    outside = [url for url in browser.requests if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert len([url for url in browser.requests if url.startswith("file:")]) == 1
    assert browser.run("typeof window.harmed") == "undefined"


def test_a_request_or_a_foreign_script_would_be_seen(browser, pages, tmp_path):
    text = (pages / "wide.html").read_text()
    harm = '<img src="https://example.invalid/x.png"><script>window.harmed=1</script>'
    (tmp_path / "harm.html").write_text(text.replace("</main>", f"{harm}</main>"))
    browser.open(tmp_path / "harm.html")
    assert browser.run("typeof window.harmed") == "undefined", "the policy lets scripts in"
    assert len(browser.console) >= 2, "violations of the policy are reported"


def test_pictures_are_there(two):
    sizes = two.run(
        "Array.from(document.querySelectorAll('figure svg'), s => s.getBoundingClientRect())"
        ".map(r => Math.min(r.width, r.height))"
    )
    assert len(sizes) > 15
    assert min(sizes) > 50
    assert two.run("document.querySelectorAll('figure svg path').length") > 200


def column(browser: Browser, index: int) -> list[float]:
    return browser.run(
        "Array.from(document.querySelector('#run2-t').tBodies[0].rows, "
        f"r => Number(r.cells[{index}].dataset.v))"
    )


def test_tables_sort_by_click_and_by_key(two):
    two.run("document.querySelectorAll('#run2-t thead button')[1].click()")
    means = column(two, 1)
    assert means == sorted(means)
    head = "document.querySelectorAll('#run2-t thead th')[1].getAttribute('aria-sort')"
    assert two.run(head) == "ascending"
    two.run("document.querySelectorAll('#run2-t thead button')[8].focus()")
    two.press("Enter")
    two.press("Enter")
    r_hat = column(two, 8)
    assert r_hat == sorted(r_hat, reverse=True)
    assert r_hat[0] > 1.2
    assert two.run(head) is None
    two.run("document.querySelectorAll('#run2-t thead button')[0].click()")
    names = two.run(
        "Array.from(document.querySelectorAll('#run2-t tbody th'), t => t.textContent.trim())"
    )
    assert names == sorted(names)


def test_many_parameters_can_be_filtered(browser, pages):
    browser.open(pages / "wide.html")
    shown = "document.querySelectorAll('#run1-t tbody tr:not([hidden])').length"
    assert browser.run(shown) == 200
    browser.run(
        "(() => { const i = document.querySelector('input[type=search]'); i.value = 'BETA[19';"
        "i.dispatchEvent(new Event('input')); })()"
    )
    assert browser.run(shown) == 11  # 19 and 190 to 199
    assert browser.run("document.querySelector('.controls output').value") == "11 of 200 rows"
    browser.run(
        "(() => { const i = document.querySelector('input[type=search]'); i.value = '';"
        "i.dispatchEvent(new Event('input')); document.querySelector('input[type=checkbox]')"
        ".click(); })()"
    )
    assert 10 <= browser.run(shown) < 200


def test_the_viewer_shows_the_parameter_that_is_chosen(two):
    label = "document.querySelector('#look-trace').getAttribute('aria-label')"
    lines = "document.querySelectorAll('#look-trace path').length"
    assert two.run(lines) == 4
    two.run("document.querySelector('#run2-t tbody th[data-at] button').click()")
    assert "mu" in two.run(label)
    assert two.run("document.querySelector('#look-run').value") == "1"
    two.run("document.querySelector('#look-next').click()")
    assert "tau" in two.run(label)
    two.run("document.querySelector('#look-trace').focus()")
    two.press("ArrowRight")
    said = two.run("document.querySelector('#look-read').textContent")
    assert said.startswith("draw 1: chain 0 ")
    value = float(said.partition("chain 0 ")[2].partition(",")[0])
    truth = regression(2, shift=3.0)["posterior"]["tau"].values
    assert value == pytest.approx(truth[0, 1], rel=2e-3, abs=float(truth.max()) * 1e-4)


def test_hostile_names_are_shown_as_they_are(browser, pages):
    browser.open(pages / "hostile.html")
    options = browser.run("Array.from(document.querySelector('#look-name').options, o => o.text)")
    assert "theta[<script>window.harmed=1</script>]" in options
    browser.run(
        "document.querySelectorAll('#run1-t tbody th[data-at] button').forEach(b => b.click())"
    )
    assert browser.console == []
    assert browser.run("typeof window.harmed") == "undefined"


BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def brightness(colour: str) -> float:
    return sum(float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]) / 765


def test_the_page_follows_the_system_and_the_switch(two):
    assert brightness(two.run(BACKGROUND)) > 0.8
    two.run("document.querySelector('#theme').click()")
    assert brightness(two.run(BACKGROUND)) < 0.2
    assert two.run("document.querySelector('#theme').getAttribute('aria-pressed')") == "true"
    two.run("document.querySelector('#theme').click()")
    assert brightness(two.run(BACKGROUND)) > 0.8
    two.media("", "dark")
    two.run("delete document.documentElement.dataset.theme")
    assert brightness(two.run(BACKGROUND)) < 0.2
    two.media("print", "dark")
    assert brightness(two.run(BACKGROUND)) == 1.0
    two.media("", "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(two, scheme):
    two.media("", scheme)
    pairs = two.run(
        "(() => { const s = getComputedStyle(document.documentElement);"
        "const v = n => s.getPropertyValue(n).trim();"
        "const out = []; for (const ink of ['--ink','--muted','--link','--bad','--care','--good'])"
        " for (const paper of ['--paper','--surface']) out.push([v(ink), v(paper)]);"
        "for (const k of ['bad','care','good']) out.push([v('--'+k), v('--'+k+'-paper')]);"
        "return out; })()"
    )
    for ink, paper in pairs:
        assert contrast(ink, paper) >= 4.5, (ink, paper)
    two.media("", "light")


def contrast(first: str, second: str) -> float:
    """Contrast of two colours #rrggbb (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["two", "hostile", "wide"])
def test_a_phone_does_not_scroll_sideways(browser, pages, name):
    browser.size(390, 800)
    browser.open(pages / f"{name}.html")
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.size(1100)


def test_it_prints(two, tmp_path):
    two.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert two.run("Array.from(document.querySelectorAll('details')).every(d => d.open)")
