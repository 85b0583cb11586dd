"""Every Python snippet of the README runs, in order, as a reader would run it."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

README = Path(__file__).parents[1] / "README.md"


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def test_readme_snippets_run_in_order(tmp_path, monkeypatch):
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    assert snippets(), "the README has no Python snippets"
    namespace: dict = {"__name__": "readme"}
    for snippet in snippets():
        exec(compile(snippet, "README.md", "exec"), namespace)


def test_readme_pictures_exist():
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text()):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target


def test_readme_links_resolve():
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)\)", README.read_text()):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target


@pytest.mark.parametrize("marker", ["<!-- main command -->", "<!-- test command -->"])
def test_readme_has_its_two_commands(marker):
    assert README.read_text().count(marker) == 1
