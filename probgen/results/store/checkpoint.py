"""What a run can be gone on from: its manifest, what it started with, and its latest state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from probgen.errors import StoreError
from probgen.results.store.state import KernelState
from probgen.results.store.tensors import pack, unpack

__all__ = ["FORMAT", "Checkpoint", "read_manifest", "read_start"]

FORMAT = 1
"""Raised when stores of earlier versions can no longer be gone on with."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands: its state (None from methods that have none), the number of draws in
    each group then, whether it is finished, and the sums of all draws by array."""

    state: KernelState | None
    lengths: dict[str, int]
    finished: bool = False
    sums: dict[str, int] = field(default_factory=dict)

    def pack(self) -> bytes:
        """As the bytes of a safetensors file."""
        notes = {
            "lengths": json.dumps(self.lengths),
            "finished": str(int(self.finished)),
            "sums": json.dumps(self.sums),
        }
        arrays: dict[str, np.ndarray] = {}
        if self.state is not None:
            notes["iteration"] = str(self.state.iteration)
            arrays = {"position": self.state.position, "rng": self.state.rng}
            arrays |= {f"adaptation:{n}": np.asarray(v) for n, v in self.state.adaptation.items()}
            arrays |= {f"counters:{n}": np.asarray(v) for n, v in self.state.counters.items()}
        return pack(arrays, notes)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """The latest checkpoint of a store; the very beginning when there is none yet."""
        file = path / "checkpoint" / "state" / "c" / "0"
        if not file.is_file():
            return cls(None, {})
        arrays, notes = unpack(file)
        try:
            lengths = {str(n): int(v) for n, v in json.loads(notes["lengths"]).items()}
            finished = notes["finished"] == "1"
            sums = {str(n): int(v) for n, v in json.loads(notes.get("sums", "{}")).items()}
            if "iteration" not in notes:
                return cls(None, lengths, finished, sums)
            state = KernelState(
                int(notes["iteration"]),
                arrays["position"],
                arrays["rng"],
                _named(arrays, "adaptation:"),
                _named(arrays, "counters:"),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{file} holds no state of a run ({error!r}).") from error
        return cls(state, lengths, finished, sums)


def read_manifest(path: Path) -> dict[str, Any]:
    """What was asked for; raises `StoreError` where there is no run to go on with."""
    file = path / "checkpoint" / "zarr.json"
    if not path.exists():
        raise StoreError(f"There is no store {path}.")
    if not file.is_file():
        half = (path / "checkpoint").is_dir()
        raise StoreError(
            f"{path} was left before anything was written; start the run again with "
            "overwrite=True."
            if half
            else f"{path} is no store of a run of probgen: there is nothing to go on with."
        )
    try:
        manifest = json.loads(file.read_bytes())["attributes"]["probgen"]
        version, _, _ = manifest["format"], manifest["kind"], int(manifest["options"]["draws"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{file} cannot be read: it is damaged.") from error
    if version != FORMAT:
        raise StoreError(
            f"{path} has format {version}, and this version of probgen goes on with format "
            f"{FORMAT}; its draws can be read with open_tree."
        )
    return manifest


def read_start(path: Path) -> dict[str, np.ndarray]:
    """The arrays that the run started from: `initial`, data, earlier adaptation."""
    return unpack(path / "checkpoint" / "start" / "c" / "0")[0]


def _named(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}
