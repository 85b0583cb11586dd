"""The directory of a store: made, or emptied when it holds a run that may be replaced."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from probgen.errors import StoreError
from probgen.results.store.files import Lock

__all__ = ["is_store", "make_room"]


def is_store(path: Path) -> bool:
    """Whether a directory was begun as a store of probgen."""
    return (path / "checkpoint" / "state" / "c").is_dir()


def make_room(path: Path, overwrite: bool) -> None:
    """Make the directory, or empty it when it holds a store that may be overwritten.

    Raises `StoreError` when something else is there, or the store is in use; `OSError` where
    nothing can be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        if not is_store(path):
            raise StoreError(
                f"{path} exists and is no store of probgen: choose another place for the store."
            )
        if not overwrite:
            raise StoreError(
                f"{path} holds a run already. Go on with it by resume, choose another place, "
                "or pass overwrite=True."
            )
        lock = Lock(path / "checkpoint" / "state" / "c" / "lock", path)
        try:
            gone = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, gone)
            shutil.rmtree(gone)
        finally:
            lock.release()
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied", str(path))
