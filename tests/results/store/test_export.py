"""Results as files: whatever wrote them opens, pickles never load, writing is all or nothing."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from probgen.errors import DataError, OptionError, StoreError
from probgen.results.store.export import open_tree, save
from tests.results.store.test_store import a_tree, equal, write


@pytest.mark.parametrize("name", ["run.nc", "run.zarr", "run.h5"])
def test_saved_and_opened(tmp_path, name):
    tree = a_tree()
    tree.attrs["seed"] = 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert save(tree, tmp_path / name) == tmp_path / name
        found = open_tree(tmp_path / name)
    equal(tree, found)
    assert found.attrs["seed"] == 3
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_store_opens_lazily(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    tree = open_tree(str(tmp_path / "s.zarr"))
    assert not tree["posterior"]["theta"].variable._in_memory
    equal(a_tree(), tree)
    equal(a_tree(), open_tree(save(tree, tmp_path / "copy.nc")))


def test_files_of_others_open(tmp_path):
    a_tree().to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    equal(a_tree(), open_tree(tmp_path / "other.nc"))
    flat = a_tree()["data"].to_dataset().drop_vars("text")
    flat.to_netcdf(tmp_path / "three.nc", engine="scipy")
    assert open_tree(tmp_path / "three.nc")["n"] == 3
    a_tree().to_zarr(tmp_path / "other.zarr", zarr_format=2)
    equal(a_tree(), open_tree(tmp_path / "other.zarr"))


class Bomb:
    """Unpickling this makes a file."""

    place = Path("never")

    def __reduce__(self):
        return (open, (str(self.place), "w"))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["run.pkl", "run.nc", "run.zarr"])
def test_a_pickle_is_never_loaded(tmp_path, protocol, name):
    bomb = Bomb()
    bomb.place = tmp_path / "exploded"
    (tmp_path / name).write_bytes(pickle.dumps(bomb, protocol=protocol))
    with pytest.raises(DataError, match=r"pickle|neither"):
        open_tree(tmp_path / name)
    assert not bomb.place.exists()


def test_a_zarr_array_of_pickles_is_never_loaded(tmp_path):
    from numcodecs import Pickle

    bomb = Bomb()
    bomb.place = tmp_path / "exploded"
    group = zarr.open_group(tmp_path / "bad.zarr", mode="w", zarr_format=2)
    posterior = group.create_group("posterior")
    array = posterior.create_array("x", shape=(1,), dtype="|u1", chunks=(1,))
    array.attrs["_ARRAY_DIMENSIONS"] = ["draw"]
    meta = tmp_path / "bad.zarr/posterior/x/.zarray"
    text = meta.read_text().replace('"|u1"', '"|O"')
    meta.write_text(text.replace('"filters": null', f'"filters": [{{"id": "{Pickle.codec_id}"}}]'))
    (tmp_path / "bad.zarr/posterior/x/0").write_bytes(
        Pickle().encode(np.array([bomb], dtype=object))
    )
    with pytest.raises(DataError, match="pickles"):
        open_tree(tmp_path / "bad.zarr")
    assert not bomb.place.exists()


def test_what_is_no_result_is_told(tmp_path):
    (tmp_path / "text.nc").write_text("hello")
    (tmp_path / "empty.nc").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr/zarr.json").write_text("{")
    for name, said in {
        "nothing.nc": "There is no file",
        "text.nc": "neither a NetCDF",
        "empty.nc": "neither a NetCDF",
        "folder": "without a Zarr group",
        "bad.zarr": "no Zarr group with draws",
    }.items():
        with pytest.raises(DataError, match=said):
            open_tree(tmp_path / name)


def test_a_truncated_file_is_told(tmp_path):
    file = save(a_tree(), tmp_path / "run.nc")
    whole = file.read_bytes()
    for length in (20, 600, len(whole) // 2):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged"):
            open_tree(file)


def test_a_truncated_store_is_told(tmp_path):
    write(tmp_path / "s.zarr", a_tree(), [0, 40])
    root = tmp_path / "s.zarr/zarr.json"
    root.write_bytes(root.read_bytes()[:500])
    with pytest.raises(StoreError, match="damaged"):
        open_tree(tmp_path / "s.zarr")


def test_nothing_is_replaced_that_must_not_be(tmp_path):
    file = save(a_tree(), tmp_path / "run.nc")
    before = file.read_bytes()
    with pytest.raises(OptionError, match="overwrite"):
        save(a_tree(), file, overwrite=False)
    save(a_tree(10), file)
    assert file.read_bytes() != before
    save(a_tree(), tmp_path / "run.zarr")
    with pytest.raises(OptionError, match="another name"):
        save(a_tree(), tmp_path / "run.zarr")
    with pytest.raises(OptionError, match="end in"):
        save(a_tree(), tmp_path / "run.pkl")


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    file = save(a_tree(), tmp_path / "run.nc")
    before = file.read_bytes()

    def full(self, path, **_) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full)
    with pytest.raises(StoreError, match="disk is full"):
        save(a_tree(10), file)
    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["run.nc"]
