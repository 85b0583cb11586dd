"""Where reference data lie: the one place that knows, for tests and benchmarks.

The project passes its tests without them. The environment variable PROBGEN_DATA names their
folder; without it, `../shared/data` beside the checkout is tried.
"""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"


def find_reference_data(*parts: str) -> Path | None:
    """The file or folder `parts` of the reference data, or None where it is absent."""
    root = Path(os.environ.get("PROBGEN_DATA") or _BESIDE_THE_CHECKOUT)
    path = root.joinpath(*parts)
    return path if path.exists() else None


def reference_data(*parts: str) -> Path:
    """Like `find_reference_data`; the calling test is skipped where there is nothing."""
    import pytest

    path = find_reference_data(*parts)
    if path is None:
        pytest.skip(f"reference data {'/'.join(parts)} are absent (set PROBGEN_DATA)")
    return path
