"""`probgen run --store` and `probgen resume`: what they write, say, and refuse."""

from __future__ import annotations

import pytest
import xarray as xr
from typer.testing import CliRunner

from probgen.cli import app

SHORT = ["--chains", "2", "--draws", "60", "--warmup", "60", "--seed", "1", "--quiet"]


def cli(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, [*map(str, arguments)])
    return found.exit_code, found.output + (found.stderr if found.stderr_bytes else "")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.zarr"
    code, said = cli("run", "eight_schools", *SHORT, "--store", path)
    assert code in (0, 3), said
    return path


def test_a_run_is_streamed_to_its_store(stored):
    tree = xr.open_datatree(stored)
    assert tree["posterior"].sizes["draw"] == 60
    assert tree.attrs["interrupted"] == 0


def test_resume_makes_more_draws_and_judges_them(stored):
    code, said = cli("resume", stored, "--draws", "80", "--quiet")
    assert code in (0, 3), said
    assert xr.open_datatree(stored)["posterior"].sizes["draw"] == 80
    code, said = cli("resume", stored, "--draws", "90", "--model", "eight_schools", "--quiet")
    assert code in (0, 3), said
    assert xr.open_datatree(stored)["posterior"].sizes["draw"] == 90


def test_what_is_refused_is_one_message(stored, tmp_path):
    code, said = cli("run", "eight_schools", *SHORT, "--store", stored)
    assert code == 1
    assert "holds a run already" in " ".join(said.split())
    code, said = cli("resume", stored, "--draws", "99", "--model", "radon_pooled")
    assert code == 1
    code, said = cli("resume", stored, "--draws", "99", "--data", "y=1")
    assert code == 1
    assert "--model" in said
    code, said = cli("resume", tmp_path / "none.zarr")
    assert code == 1
    assert "There is no store" in " ".join(said.split())


def test_overwrite_starts_anew(stored):
    code, said = cli("run", "eight_schools", *SHORT, "--store", stored, "--overwrite")
    assert code in (0, 3), said
    assert xr.open_datatree(stored)["posterior"].sizes["draw"] == 60
