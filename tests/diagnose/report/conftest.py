"""Pictures take most of the time of these tests: rough bands, or none where none are looked at."""

from __future__ import annotations

import pytest
from report_runs import hostile, regression, wide


@pytest.fixture(autouse=True, scope="package")
def rough_bands():
    from probgen.diagnose.report import closeups

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closeups, "BAND_SIMULATIONS", 20)
        patch.setattr(closeups, "MOST_PAIRED", 2)
        yield


@pytest.fixture
def without_pictures(monkeypatch):
    from probgen.diagnose.report import comparison, loo, network, pictures, predictive, prior

    def undrawn(title, prefix, draw, caption, seen, wide=False):
        return pictures.Picture(title, "<svg></svg>", caption, seen, wide)

    for module in (comparison, loo, network, pictures, predictive, prior):
        monkeypatch.setattr(module, "drawn", undrawn)


@pytest.fixture(scope="package")
def pages(tmp_path_factory, rough_bands):
    """The folder of pages that several tests look at: one, two, hostile, wide."""
    from probgen.diagnose.report import page, report

    folder = tmp_path_factory.mktemp("pages")
    report(regression(shift=3.0), folder / "one.html")
    report(
        {"<b>first</b>": regression(5), "second": regression(2, shift=3.0)}, folder / "two.html"
    )
    report(hostile(), folder / "hostile.html")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "pictures_of_draws", lambda run: [])
        report(wide(200, draws=100), folder / "wide.html")
    return folder
