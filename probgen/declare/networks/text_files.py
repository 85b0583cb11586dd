"""Reading and writing texts, gzipped or not, with errors that name the file and the cure."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from probgen.errors import DataError

__all__ = ["read_text", "write_text"]

_GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: str | Path) -> str:
    """The text of a file, unpacked if it is gzipped; UTF-8, else Latin-1.

    Raises `DataError` for a missing or unreadable file, a damaged archive, and binary content.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if content.startswith(_GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{path} is a damaged or truncated gzip archive ({error}): fetch it again."
            ) from error
    if b"\0" in content:
        raise DataError(f"{path} holds binary data, not text: it is no network file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, gzipped if the name ends in .gz. Raises `DataError`."""
    path = Path(path)
    content = text.encode("utf-8")
    if path.suffix.lower() == ".gz":
        content = gzip.compress(content, mtime=0)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from error
