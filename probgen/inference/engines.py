"""Which engine runs the chains of a density: native code where there is some, else numpy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from probgen.errors import BuildError
from probgen.inference.method import DensityLike, Draws

__all__ = ["run_on_an_engine"]


def run_on_an_engine(
    density: DensityLike,
    load: Callable[[], ctypes.CDLL],
    native: Callable[[ctypes.CDLL], Draws],
    eager: Callable[[], Draws],
) -> Draws:
    """Run `native` with the library that `load` builds; `eager` where there is nothing native.

    When the library cannot be built, that is noted in the summary.
    """
    if density.native is None:
        return eager()
    try:
        library = load()
    except BuildError as error:
        result = eager()
        result.summary["notes"].append(
            f"The native sampler could not be built, so a slow one in Python was used: {error}"
        )
        return result
    return native(library)
