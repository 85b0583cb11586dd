"""Where a declaration came from - memory or a file - and so how errors about it begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from probgen.errors import DataError, ModelError

__all__ = ["IN_MEMORY", "Origin"]


@dataclass(frozen=True)
class Origin:
    """Where tables came from: the class and the first words of errors about them."""

    path: Path | None = None
    line_of: Callable[[int], int] | None = None
    """Line number of a place in the file; only asked for when there is an error."""

    def error(self, message: str, place: int | None = None) -> ModelError | DataError:
        """A `DataError` that names file and line, or a `ModelError` for models in memory."""
        if self.path is None:
            return ModelError(message)
        if place is None or self.line_of is None:
            return DataError(f"{self.path}: {message}")
        return DataError(f"{self.path}, line {self.line_of(place)}: {message}")


IN_MEMORY = Origin()
