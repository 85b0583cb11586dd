"""Results of any library and out of any kind of file are read, and strangers are refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from synthetic_runs import CHAINS, DRAWS, good_stats, normal, tree_of

from probgen.diagnose import diagnose
from probgen.diagnose.reading import read_files
from probgen.diagnose.record import read_record
from probgen.errors import DataError

HEADER = """# stan_version_major = 2
# model = funnel_model
# method = sample (Default)
#   sample
#     num_samples = {draws}
#     num_warmup = 20
#     save_warmup = {saved}
#     thin = 1 (Default)
#     adapt
#       delta = 0.9
#     algorithm = hmc (Default)
#       hmc
#         engine = nuts (Default)
#           nuts
#             max_depth = 8
#         metric_file =  (Default)
# id = {chain}
"""
COLUMNS = "lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__"


def write_stan(
    folder: Path, chains: int = 4, draws: int = 300, saved: str = "false", depth: int = 3
) -> np.ndarray:
    """Files as CmdStan writes them; returns x, (chain, draw, 2, 3)."""
    x = normal(1, 2, 3, chains=chains, draws=draws)
    for chain in range(chains):
        lines = [HEADER.format(draws=draws, chain=chain + 1, saved=saved)]
        elements = [f"x.{i}.{j}" for j in (1, 2, 3) for i in (1, 2)]
        lines.append(",".join([COLUMNS, "mu", *elements]) + "\n")
        warm = [f"-1,0.1,0.5,1,1,1,2,9,{','.join('9' * 6)}\n"] * 20
        lines += warm if saved in ("true", "1") else []
        lines += ["# Adaptation terminated\n", "# Step size = 0.5\n", "# 0.5, 0.5\n"]
        for draw in range(draws):
            row = x[chain, draw].T.ravel().tolist()
            start = f"{-draw % 7},0.9,0.5,{depth},7,{int(draw == 5)},{draw % 5},{sum(row)!r}"
            lines.append(start + "".join(f",{value!r}" for value in row) + "\n")
        lines.append("# \n#  Elapsed Time: 0.1 seconds (Warm-up)\n")
        (folder / f"run_{chain + 1}.csv").write_text("".join(lines))
    return x


@pytest.mark.parametrize("saved", ["false", "true"])
def test_files_of_cmdstan(tmp_path, saved):
    x = write_stan(tmp_path, saved=saved)
    tree = read_files(str(tmp_path / "run_*.csv"))
    np.testing.assert_allclose(tree["posterior"]["x"].values, x)
    assert tree["posterior"]["mu"].dims == ("chain", "draw")
    record = read_record(tree)
    assert "x[2, 3]" in record.names
    assert set(record.stats) == {
        "lp", "energy", "step_size", "tree_depth", "acceptance_rate", "diverging", "n_steps",
    }  # fmt: skip
    assert not record.remarks
    verdict = diagnose([tmp_path / f"run_{chain}.csv" for chain in (1, 2, 3, 4)])
    text = str(verdict)
    assert "4 divergent draws of 1200" in text
    assert "x[1, 1]" in verdict.table.index
    assert "target_accept to 0.95 (now 0.9)" in text


def test_tree_depth_of_cmdstan_is_judged_by_its_own_limit(tmp_path):
    write_stan(tmp_path, depth=8)
    assert "largest tree depth (8)" in str(diagnose(str(tmp_path / "run_*.csv")))


def test_chains_of_cmdstan_that_were_cut_off(tmp_path):
    write_stan(tmp_path)
    file = tmp_path / "run_2.csv"
    text = file.read_text()
    file.write_text(text[: text.index("# \n#  Elapsed") - 11])
    verdict = diagnose(str(tmp_path / "run_*.csv"))
    assert verdict.draws == 299
    assert "from 299 to 300 draws" in str(verdict)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("method = sample (Default)", "method = optimize", "method optimize"),
        ("lp__,", "log_p,", "no column `lp__`"),
        ("mu,x.1.1", "nu,x.1.1", "other columns"),
        (",0.9,0.5,3,7,1,", ",0.9,0.5,3,seven,1,", "damaged"),
        (",0.9,0.5,3,7,1,", ",0.9,0.5,3,7,", "damaged"),
    ],
)
def test_damaged_files_of_cmdstan_are_named(tmp_path, old, new, words):
    write_stan(tmp_path, chains=2, draws=20)
    file = tmp_path / "run_2.csv"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DataError, match=words) as told:
        diagnose(str(tmp_path / "run_*.csv"))
    assert "run_2.csv" in str(told.value)


def saved_as(kind: str, folder: Path) -> Path:
    tree = tree_of({"mu": normal(1), "theta": normal(2, 3)})
    if kind == "netcdf":
        tree.to_netcdf(folder / "run.nc", engine="h5netcdf")
        return folder / "run.nc"
    if kind == "inference data":  # as ArviZ wrote it before 1.0: group by group
        for group in ("posterior", "sample_stats"):
            dataset = tree[group].to_dataset()
            mode = "a" if group == "sample_stats" else "w"
            dataset.to_netcdf(folder / "old.nc", engine="h5netcdf", group=group, mode=mode)
        return folder / "old.nc"
    tree.to_zarr(folder / "run.zarr", zarr_format=2 if kind == "zarr 2" else 3)
    return folder / "run.zarr"


@pytest.mark.parametrize("kind", ["netcdf", "inference data", "zarr 2", "zarr 3"])
def test_files_say_what_the_tree_said(tmp_path, kind):
    path = saved_as(kind, tmp_path)
    verdict = diagnose(path)
    assert verdict.ok
    assert not verdict.findings
    expected = diagnose(tree_of({"mu": normal(1), "theta": normal(2, 3)}))
    np.testing.assert_array_equal(verdict.table.to_numpy(), expected.table.to_numpy())
    assert diagnose(str(path)).ok


def test_large_results_are_read_while_they_are_looked_at(tmp_path, monkeypatch):
    path = saved_as("netcdf", tmp_path)
    expected = diagnose(path).table
    monkeypatch.setattr("probgen.diagnose.reading.LOADED_WHOLE", 0)
    monkeypatch.setattr("probgen.diagnose.scalars.MOST_READ", 1000)
    np.testing.assert_array_equal(diagnose(path).table.to_numpy(), expected.to_numpy())


def test_what_does_not_fit_into_memory_is_thinned_and_said(monkeypatch):
    monkeypatch.setattr("probgen.diagnose.record.MOST_BYTES", 60 * CHAINS * DRAWS * 8)
    verdict = diagnose(tree_of({"mu": normal(1), "theta": normal(2, 100)}))
    assert len(verdict.table) == 60
    assert "59 of its 100 scalars were checked" in str(verdict)


def test_a_pickle_is_not_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    for name in ("run.nc", "run.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(DataError, match="pickle"):
            diagnose(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_result_is_named(tmp_path):
    (tmp_path / "text.nc").write_text("not draws")
    for source, words in (
        (tmp_path / "none.nc", "no file"),
        (str(tmp_path / "*.csv"), "no file"),
        (tmp_path / "text.nc", "text.nc"),
        (tmp_path, "directory"),
        ([tmp_path / "text.nc", tmp_path / "text.nc"], "one NetCDF file"),
    ):
        with pytest.raises(DataError, match=words):
            diagnose(source)


LIBRARIES = {
    "PyMC": {
        "lp": "lp", "energy": "energy", "diverging": "diverging", "tree_depth": "tree_depth",
        "acceptance_rate": "acceptance_rate", "step_size": "step_size",
    },
    "PyMC 3": {
        "lp": "lp", "energy": "energy", "diverging": "diverging", "depth": "tree_depth",
        "mean_tree_accept": "acceptance_rate", "step_size": "step_size",
    },
    "nutpie": {
        "logp": "lp", "energy": "energy", "diverging": "diverging", "depth": "tree_depth",
        "mean_tree_accept": "acceptance_rate", "step_size": "step_size",
    },
    "NumPyro": {
        "lp": "lp", "energy": "energy", "diverging": "diverging", "tree_depth": "tree_depth",
        "acceptance_rate": "acceptance_rate", "step_size": "step_size",
    },
    "Stan": {
        "lp__": "lp", "energy__": "energy", "divergent__": "diverging",
        "treedepth__": "tree_depth", "accept_stat__": "acceptance_rate",
        "stepsize__": "step_size",
    },
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("inside", [False, True])
def test_statistics_of_every_library_are_known(library, inside):
    """`inside`: as a converter of Stan's draws leaves them, among the parameters."""
    if inside and library != "Stan":
        return
    stats = {theirs: good_stats()[ours] for theirs, ours in LIBRARIES[library].items()}
    sites = {"mu": normal(1)} | (stats if inside else {})
    tree = tree_of(sites, {} if inside else stats, {"inference_library": library})
    record = read_record(tree)
    assert set(record.stats) == set(LIBRARIES[library].values())
    assert record.names == ("mu",)
    for theirs, ours in LIBRARIES[library].items():
        np.testing.assert_array_equal(record.stats[ours], good_stats()[ours], err_msg=theirs)
    assert not record.remarks


def test_statistics_of_other_shapes_do_no_harm():
    """Samplers that mix steps have a further dimension, and objects in their statistics."""
    tree = tree_of({"mu": normal(1)})
    stats = tree["sample_stats"].to_dataset()
    stats["accepted"] = (("chain", "draw", "step"), np.ones((CHAINS, DRAWS, 2)))
    stats["warning"] = (("chain", "draw"), np.full((CHAINS, DRAWS), None, dtype=object))
    tree["sample_stats"] = xr.DataTree(stats)
    assert diagnose(tree).ok
