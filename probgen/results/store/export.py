"""Results as files: opened lazily whatever wrote them, and written whole or not at all.

Nothing that is opened here can run code: pickles are refused unread, and so are Zarr arrays that
are encoded by one.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import xarray as xr

from probgen.errors import DataError, OptionError
from probgen.results.store.files import explained
from probgen.results.store.reading import open_store

__all__ = ["open_tree", "save"]

_HDF5, _NETCDF3 = b"\x89HDF\r\n\x1a\n", (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
_NETCDF_ENDINGS = (".nc", ".nc4", ".h5", ".netcdf")


def open_tree(path: str | os.PathLike[str]) -> xr.DataTree:
    """The DataTree in a store of a run, another Zarr directory, or a NetCDF file; read lazily.

    A run that is still going on, or was killed, is opened as far as it came. Raises `StoreError`
    for a store that is damaged and `DataError` for what is no result, or holds a Python pickle.
    """
    place = Path(path).expanduser().absolute()
    if not place.exists():
        raise DataError(f"There is no file or directory {place}.")
    if place.is_dir():
        return _open_directory(place)
    return _open_file(place)


def save(tree: xr.DataTree, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Write a tree to a NetCDF file (`.nc`) or a Zarr directory (`.zarr`), whole or not at all.

    Returns the path. Raises `StoreError` when it cannot be written, `OptionError` for another
    ending, or when there is something that may not, or must not, be replaced.
    """
    place = Path(path).expanduser().absolute()
    zarr = place.suffix.lower() == ".zarr"
    if not zarr and place.suffix.lower() not in _NETCDF_ENDINGS:
        raise OptionError(f"{path}: the name must end in .nc or .zarr.")
    if place.exists() and (not overwrite or place.is_dir()):
        cure = "choose another name" if place.is_dir() else "pass overwrite=True"
        raise OptionError(f"{place} exists: {cure}.")
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    with explained(place, "written"):
        try:
            _write_zarr(tree, partial) if zarr else tree.to_netcdf(partial, engine="h5netcdf")
            os.replace(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)
    return place


def _write_zarr(tree: xr.DataTree, path: Path) -> None:
    with warnings.catch_warnings():
        # What zarr-python says of its own format: metadata of groups, and texts.
        warnings.filterwarnings("ignore", message=".*onsolidated metadata.*")
        warnings.filterwarnings("ignore", message=".*Zarr V3 specification.*")
        tree.to_zarr(path, zarr_format=3)


def _open_directory(place: Path) -> xr.DataTree:
    if (place / "checkpoint" / "zarr.json").is_file():
        return open_store(place)
    if not any((place / name).is_file() for name in _ZARR_FILES):
        raise DataError(
            f"{place} is a directory without a Zarr group in it: name a store, or a NetCDF file."
        )
    _refuse_pickled_arrays(place)
    try:
        return _opened(place, "zarr")
    except Exception as error:  # zarr raises whatever a malformed document makes it raise
        raise DataError(f"{place} is no Zarr group with draws in it ({_said(error)}).") from error


def _refuse_pickled_arrays(place: Path) -> None:
    """Raise `DataError` when an array of a foreign Zarr directory would be unpickled."""
    for folder, _, files in os.walk(place):
        for name in set(files) & set(_ZARR_FILES):
            file = Path(folder, name)
            if b"pickle" in file.read_bytes().lower():
                raise DataError(
                    f"{file} says that values are Python pickles. They are not loaded, since "
                    "loading them could run any code; have the result written without."
                )


def _open_file(place: Path) -> xr.DataTree:
    with open(place, "rb") as file:
        head = file.read(8)
    if head == _HDF5:
        engine = "h5netcdf"
    elif head[:4] in _NETCDF3:
        engine = "scipy"
    elif head[:1] == b"\x80" or head[:2] in (b"PK", b"(d", b"(l", b"cc", b"c_"):
        raise DataError(
            f"{place} looks like a Python pickle or an archive of one. It is not loaded, since "
            "loading it could run any code; have the result written as NetCDF or Zarr."
        )
    else:
        raise DataError(f"{place} is neither a NetCDF file nor a Zarr directory.")
    try:
        return _opened(place, engine)
    except Exception as error:  # so do the readers of NetCDF
        raise DataError(
            f"{place} cannot be read as NetCDF: it is damaged, or no result ({_said(error)})."
        ) from error


def _opened(place: Path, engine: Any) -> xr.DataTree:
    if engine == "scipy":  # NetCDF 3 has no groups
        return xr.DataTree(xr.open_dataset(place, engine=engine))
    return xr.open_datatree(place, engine=engine)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
