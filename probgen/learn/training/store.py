"""A training on disk: what was asked for, and the latest checkpoint of every process.

    run.training/
      training.json              method, options, model and data; written anew with more epochs
      latest.json                the step whose checkpoint counts
      step-000001200-0.safetensors   one file per process
      watched-000001200-x.png        draws of the site "x" at that step, if they are watched

Files are written beside their names and renamed; `latest.json` is replaced only when all processes
have written theirs, and older files are deleted after that. So a training that is killed at any
moment has a whole checkpoint.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from probgen.errors import StoreError
from probgen.learn.training.nested import pack_nested, unpack_nested
from probgen.learn.training.place import Place
from probgen.learn.training.watch_files import is_picture
from probgen.results.store.files import Lock, explained, replace_file

__all__ = ["FORMAT", "TrainingStore", "is_training_store"]

FORMAT = 1
"""Raised when stores of earlier versions can no longer be gone on with."""
_MANIFEST, _LATEST, _LOCK = "training.json", "latest.json", "lock"


def is_training_store(path: str | os.PathLike[str]) -> bool:
    """Whether a path is what `fit` stores, and not what `infer` does."""
    return (Path(path) / _MANIFEST).is_file()


class TrainingStore:
    """The directory of one training, written by the processes of `place`; a context manager."""

    def __init__(self, path: Path, place: Place, manifest: dict[str, Any]) -> None:
        self.path, self.place, self.manifest = path, place, manifest
        self._lock: Lock | None = None

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], place: Place, manifest: dict[str, Any], overwrite: bool
    ) -> TrainingStore:
        """Make the directory; raises `StoreError` where there is something already."""
        folder = Path(path).expanduser().absolute()
        store = cls(folder, place, {"format": FORMAT, "world": place.world, **manifest})
        if place.rank == 0:
            _make_room(folder, overwrite)
            with explained(folder, "made"):
                folder.mkdir(parents=True, exist_ok=True)
                store._lock = Lock(folder / _LOCK, folder)
                _clear(folder)
                store._write_json(_MANIFEST, store.manifest)
        place.barrier()
        return store

    @classmethod
    def reopen(cls, path: str | os.PathLike[str], place: Place) -> TrainingStore:
        """Open a training to go on with it. Raises `StoreError`."""
        folder = Path(path).expanduser().absolute()
        manifest = cls.read_manifest(folder)
        if manifest.get("world") != place.world:
            raise StoreError(
                f"{folder} was written by {manifest.get('world')} processes, and there are "
                f"{place.world}: go on with as many, or start anew from its weights."
            )
        store = cls(folder, place, manifest)
        if place.rank == 0:
            store._lock = Lock(folder / _LOCK, folder)
        return store

    @staticmethod
    def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
        """What was asked for. Raises `StoreError`."""
        folder = Path(path).expanduser().absolute()
        manifest = _read_json(folder / _MANIFEST)
        if manifest.get("format") != FORMAT:
            raise StoreError(
                f"{folder} has format {manifest.get('format')}, and this version of probgen goes "
                f"on with format {FORMAT}."
            )
        return manifest

    def __enter__(self) -> TrainingStore:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def lengthen(self, epochs: int) -> None:
        """Note that the training goes on to so many epochs."""
        self.manifest["options"]["epochs"] = epochs
        if self.place.rank == 0:
            self._write_json(_MANIFEST, self.manifest)

    def write(self, step: int, state: dict[str, Any], finished: bool) -> None:
        """Replace the checkpoint; a write that fails leaves the last one."""
        file = self._file(step)
        with explained(file, "written"):
            replace_file(file, pack_nested(state), file.with_suffix(".partial"))
        self.place.barrier()
        if self.place.rank == 0:
            self._write_json(_LATEST, {"step": step, "finished": finished})
        self.place.barrier()
        for other in self.path.glob(f"step-*-{self.place.rank}.safetensors"):
            if other != file:
                other.unlink(missing_ok=True)

    def read(self) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """This process's latest state, what all share, and whether the training is over.

        Raises `StoreError` for a store that is damaged, or was left before its first checkpoint.
        """
        if not (self.path / _LATEST).is_file():
            raise StoreError(
                f"{self.path} was left before anything was written; start the training again with "
                "overwrite=True."
            )
        latest = _read_json(self.path / _LATEST)
        try:
            step, finished = int(latest["step"]), bool(latest["finished"])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{self.path / _LATEST} is damaged ({error!r}).") from error
        own = unpack_nested(self._file(step))[0]
        first = own if self.place.rank == 0 else unpack_nested(self._file(step, 0))[0]
        return own, first["shared"], finished

    def _file(self, step: int, rank: int | None = None) -> Path:
        rank = self.place.rank if rank is None else rank
        return self.path / f"step-{step:09d}-{rank}.safetensors"

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        file = self.path / name
        with explained(file, "written"):
            text = json.dumps(content, indent=1)
            replace_file(file, text.encode(), file.with_suffix(".partial"))


def _make_room(folder: Path, overwrite: bool) -> None:
    """Refuse a path that holds something else, or a training that is not to be replaced."""
    if not folder.exists() or (folder.is_dir() and all(map(_is_ours, folder.iterdir()))):
        if not is_training_store(folder) or overwrite:
            return
        raise StoreError(
            f"{folder} holds a training already: go on with it by resume(path, model, data=...), "
            "or replace it with overwrite=True."
        )
    raise StoreError(f"{folder} exists and is no training of probgen: choose another path.")


def _is_ours(file: Path) -> bool:
    ours = file.suffix in (".partial", ".safetensors") or is_picture(file.name)
    return file.name in (_MANIFEST, _LATEST, _LOCK) or (ours and not file.is_dir())


def _clear(folder: Path) -> None:
    """Delete what an earlier training left; the pointer goes first, so that none is half there."""
    (folder / _LATEST).unlink(missing_ok=True)
    for file in folder.iterdir():
        if file.name != _LOCK:
            file.unlink()


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise StoreError(f"{file.parent} is no training of probgen: {file.name} is missing.")
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} cannot be read: it is damaged.") from error
    if not isinstance(content, dict):
        raise StoreError(f"{file} cannot be read: it is damaged.")
    return content
