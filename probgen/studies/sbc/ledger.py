"""Finished replications on disk: a folder with the settings and one line of JSON for each.

A study that was killed goes on where it was: lines are written whole and flushed to disk, and
what a crash left half-written is cut off. Replications depend on seed and number alone, so that
the result is that of an uninterrupted study.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from probgen.errors import DataError, OptionError
from probgen.studies.sbc.replication import Replication

__all__ = ["Ledger"]

SETTINGS, ROWS = "settings.json", "replications.jsonl"


class Ledger:
    """The folder of one study, opened for reading and appending; a context manager.

    Raises `OptionError` when the folder belongs to another study (the difference is named), is
    in use by another process or cannot be written, and `DataError` when it is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.settings = json.loads(json.dumps(dict(settings)))
        self.done: dict[int, Replication] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Ledger:
        try:
            self._open()
        except OSError as error:
            self.close()
            raise OptionError(
                f"store={str(self.path)!r} cannot be used: {error.strerror or error}."
            ) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def append(self, row: Replication) -> None:
        """Write one replication, on disk when this returns; raises `OptionError` if it cannot."""
        assert self._file is not None
        try:
            self._file.write(row.as_json().encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OptionError(
                f"store={str(self.path)!r}: replication {row.index} could not be written "
                f"({error.strerror}); those before it are safe. Call again to go on."
            ) from error
        self.done[row.index] = row

    def _open(self) -> None:
        settings = self.path / SETTINGS
        if self.path.exists() and not settings.exists() and any(self.path.iterdir()):
            raise OptionError(
                f"store={str(self.path)!r} is a folder that holds something else; give a new one."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        if settings.exists():
            self._compare(settings)
        else:
            part = settings.with_suffix(".part")
            part.write_text(json.dumps(self.settings, indent=1))
            part.replace(settings)
        self._file = open(self.path / ROWS, "a+b")  # noqa: SIM115 - open as long as the study is
        self._lock()
        self._read()

    def _compare(self, settings: Path) -> None:
        try:
            known = json.loads(settings.read_text())
        except ValueError as error:
            raise DataError(f"{settings} is damaged: {error}.") from error
        names = [n for n in {**known, **self.settings} if known.get(n) != self.settings.get(n)]
        if names:
            name = names[0]
            raise OptionError(
                f"store={str(self.path)!r} holds another study: its {name} is "
                f"{known.get(name)!r}, and here it is {self.settings.get(name)!r}. Give another "
                "folder, or call with the same settings."
            )

    def _lock(self) -> None:
        with contextlib.suppress(ImportError):  # where there is no fcntl, nothing guards
            import fcntl

            assert self._file is not None
            try:
                fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OptionError(
                    f"store={str(self.path)!r} is in use by another process."
                ) from error

    def _read(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                row = Replication.from_json(line.decode())
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{self.path / ROWS}, line {number} is damaged: {error}. Delete the line; its "
                    "replication is then made again."
                ) from error
            self.done[row.index] = row
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)
