"""Files that are replaced whole or not at all, and a lock that dies with its process."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from probgen.errors import StoreError

__all__ = ["Lock", "explained", "replace_file"]


def replace_file(path: Path, content: bytes, partial: Path) -> None:
    """Write `content` to `partial`, then rename it to `path` on the same file system."""
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Errors of the file system as `StoreError` with what can be done about them."""
    try:
        yield
    except OSError as error:
        cures = {
            errno.ENOSPC: "The disk is full: make room",
            errno.EDQUOT: "The quota is used up: make room",
            errno.EFBIG: "A file grew beyond the allowed size: raise the limit",
            errno.EACCES: "There is no permission: choose another place",
            errno.EPERM: "There is no permission: choose another place",
            errno.EROFS: "The file system is read-only: choose another place",
        }
        cure = cures.get(error.errno or 0, f"{error.strerror or error}: mend that")
        raise StoreError(
            f"{path} could not be {doing}. {cure}. What was stored before is whole; "
            "go on with resume where there are draws."
        ) from error


class Lock:
    """One process at a time may write a store; freed when the process ends, killed or not.

    Raises `StoreError` naming the process that holds it. On systems without `flock` nothing is
    locked.
    """

    def __init__(self, path: Path, store: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            self.release()
            whose = "a run of this" if holder == str(os.getpid()) else "another"
            raise StoreError(
                f"{store} is being written by {whose} process (pid {holder or 'unknown'}). "
                "Wait for it or stop it; reading its draws with open_tree works meanwhile."
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
