"""Data files: every format into numbers, and clear words about what is no number."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from probgen.declare.datafile import read_data_file
from probgen.errors import DataError


@pytest.fixture
def write(tmp_path):
    """Writes a text file and returns its path."""

    def write(name: str, text: str):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def check(read, expected):
    assert list(read) == list(expected)
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            assert read[name].dtype == value.dtype, name
            np.testing.assert_array_equal(read[name], value)
        else:
            assert type(read[name]) is type(value), name
            assert read[name] == value


# ---------------------------------------------------------------- what is read


def test_json(write):
    path = write("d.json", '{"J": 2, "s": 0.5, "ok": true, "y": [1, 2.5], "k": [[1, 2], [3, 4]]}')
    check(
        read_data_file(path),
        {"J": 2, "s": 0.5, "ok": True, "y": np.array([1.0, 2.5]), "k": np.array([[1, 2], [3, 4]])},
    )


def test_csv(write):
    path = write("d.csv", "x,n,treated\n0.5,1,True\n1.5,2,False\n")
    check(
        read_data_file(str(path)),
        {"x": np.array([0.5, 1.5]), "n": np.array([1, 2]), "treated": np.array([True, False])},
    )


def test_npz(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x=np.float32([0.5, 1.5]), n=np.uint8([1, 2]), size=np.int32(3))
    check(read_data_file(path), {"x": np.array([0.5, 1.5]), "n": np.array([1, 2]), "size": 3})


def test_netcdf(tmp_path):
    path = tmp_path / "d.nc"
    dataset = xr.Dataset(
        {"y": ("school", np.array([1.5, 2.5])), "size": 3}, coords={"school": ["a", "b"]}
    )
    dataset.to_netcdf(path, engine="h5netcdf")
    check(read_data_file(path), {"y": np.array([1.5, 2.5]), "size": 3})


def test_not_a_number_in_json_is_kept(write):
    assert np.isnan(read_data_file(write("d.json", '{"y": [1.0, NaN]}'))["y"][1])


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.json", '{"y": [[1, 2], [3]]}', r"'y' in d\.json is ragged"),
        ("d.json", '{"who": ["a", "b"]}', r"'who' in d\.json is not numeric \(it holds text\)"),
        ("d.json", '{"y": [1, null]}', r"'y' in d\.json is not numeric"),
        ("d.json", '{"y": null}', r"'y' in d\.json is null"),
        ("d.json", '{"y": {"z": 1}}', r"'y' in d\.json is an object.*to the top"),
        ("d.json", '{"y": [100000000000000000000]}', r"'y' in d\.json is not numeric"),
        ("d.json", '{"y": [10000000000000000000]}', r"integers beyond 63 bits"),
        ("d.json", "[1, 2]", "one JSON object.*not a list"),
        ("d.json", '{"y": ', "no valid JSON"),
        ("d.csv", "x,group\n1,a\n2,b\n", r"'group' of d\.csv is not numeric \(line 2: 'a'\)"),
        ("d.csv", "x,n\n1,2\n3,oops\n", r"'n' .* \(line 3: 'oops'\).*pandas\.factorize"),
        ("d.csv", "x,n\n1,2\n3,\n", r"'n' of d\.csv has 1 empty cells, the first in line 3"),
        ("d.csv", "", "no valid CSV"),
        ("d.npz", "not a zip file", "cannot be read as NPZ"),
        ("d.nc", "not a NetCDF file", "cannot be read as NetCDF"),
        ("d.txt", "1 2 3", r"end in \.json, \.csv, \.npz, \.nc"),
    ],
)
def test_bad_content(write, name, text, message):
    with pytest.raises(DataError, match=message):
        read_data_file(write(name, text))


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = tmp_path / "d.npz"
    np.savez(path, x=np.array([Trap()], dtype=object))
    with pytest.raises(DataError, match=r"arrays of numbers only"):
        read_data_file(path)


def test_dates_are_not_numeric(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, when=np.array(["2020-01-01"], dtype="datetime64[D]"))
    with pytest.raises(DataError, match=r"'when' in d\.npz is not numeric \(it holds dates\)"):
        read_data_file(path)


def test_a_missing_file_gets_the_closest(write):
    path = write("schools.json", "{}")
    with pytest.raises(DataError, match=r"does not exist\. Did you mean schools\.json\?"):
        read_data_file(path.with_name("school.json"))
