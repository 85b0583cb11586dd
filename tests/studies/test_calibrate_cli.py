"""`probgen calibrate` and `probgen conform` print, write and exit by their verdicts."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from probgen.cli import app
from probgen.studies.calibration import Calibration


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_calibrate_writes_result_and_picture(tmp_path):
    result, picture = tmp_path / "study.nc", tmp_path / "ranks.png"
    found = run(
        "calibrate", "cancer", "--observed", "Xray", "--method", "exact", "--replications", "20",
        "--seed", "1", "--chains", "1", "--draws", "200", "--store", str(tmp_path / "store"),
        "-o", str(result), "--picture", str(picture),
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "Calibrated" in found.output
    assert Calibration.load(result).passed
    assert picture.stat().st_size > 10_000
    assert len((tmp_path / "store" / "replications.jsonl").read_text().splitlines()) == 20


def test_calibrate_says_what_is_missing():
    found = run("calibrate", "cancer")
    assert found.exit_code == 1
    assert "Nothing is observed" in found.output


METHODS = '''
from probgen.inference.graphical.exact import Exact

class Biased(Exact):
    """Puts all chains on their first draw."""

    def run(self, factors, plan):
        result = super().run(factors, plan)
        if result.states is not None:
            result.states[:] = result.states[:, :1]
        return result

right = Exact()
'''


@pytest.mark.parametrize(
    ("name", "code"), [("right", 0), pytest.param("Biased", 3, marks=pytest.mark.slow)]
)
def test_conform_takes_a_users_own_method(tmp_path, name, code):
    file = tmp_path / "methods.py"
    file.write_text(METHODS)
    found = run("conform", f"{file}:{name}", "--quiet")
    assert found.exit_code == code, found.output
    assert ("does not conform" in found.output) == (code == 3)


def test_conform_names_what_it_cannot_find(tmp_path):
    def said(argument):
        found = run("conform", argument)
        assert found.exit_code == 1
        return " ".join(found.output.split())

    empty = tmp_path / "empty.py"
    empty.write_text("")
    assert "no such file" in said(f"{tmp_path / 'none.py'}:x")
    assert "defines no 'x'" in said(f"{empty}:x")
    assert "the methods are" in said("nutz")
