"""`probgen diagnose` on files of any kind; its exit code says whether to trust them."""

from __future__ import annotations

import pytest
from synthetic_runs import normal, tree_of
from test_reading import saved_as, write_stan
from typer.testing import CliRunner

from probgen.cli import app


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["diagnose", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.parametrize("kind", ["netcdf", "zarr 3"])
def test_a_good_result_exits_with_0(tmp_path, kind):
    code, told = run(saved_as(kind, tmp_path), "--quiet")
    assert code == 0
    assert "Trustworthy" in told


def test_a_bad_result_exits_with_3(tmp_path):
    mu = normal(1)
    mu[2] += 5
    tree_of({"mu": mu}).to_netcdf(tmp_path / "bad.nc", engine="h5netcdf")
    code, told = run(tmp_path / "bad.nc")
    assert code == 3
    assert "several modes" in told


def test_files_of_chains_are_one_result(tmp_path):
    write_stan(tmp_path)
    code, told = run(*sorted(tmp_path.glob("run_*.csv")))
    assert code in (0, 3)
    assert "4 chains x 300 draws" in " ".join(told.split())


def test_no_result_exits_with_1(tmp_path):
    code, told = run(tmp_path / "none.nc")
    assert code == 1
    assert "no file" in told
