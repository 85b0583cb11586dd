"""Runs that are killed at random moments: `python -m tests.inference.killed STORE KILLS METHOD`.

One process imports everything, then forks a child for every attempt to make or go on with the
stored run, and kills it by SIGKILL after a random time, until it was killed so often; the last
attempt is left to finish. Prints how many kills there were. Single-threaded up to the forks.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import probgen as pg
from probgen.api import infer, resume
from probgen.inference import recorder
from tests.inference.walking import Walk

ZOO = pg.load_model("eight_schools")
RUNS = {
    "walk": (Walk(piece=5), {"draws": 1500, "warmup": 300}, 0.0, 0.35),
    "nuts": (pg.NUTS(), {"draws": 20_000, "warmup": 2_000, "thin": 100}, 0.0, 0.8),
}
"""Method, size, seconds between writes, and the longest time until a kill."""


def arguments(name: str) -> tuple[object, dict]:
    """Method and options of a run, as `infer` takes them."""
    method, size, _, _ = RUNS[name]
    return method, {"data": ZOO.data, "seed": 5, "chains": 2, "progress": False, **size}


def attempt(store: Path, name: str) -> None:
    """Begin the run, or go on with it."""
    method, options = arguments(name)
    if (store / "checkpoint" / "zarr.json").is_file():
        resume(store, method=method, progress=False)
    else:
        infer(ZOO.program, method, store=store, overwrite=store.exists(), **options)


def main(store: Path, kills: int, name: str) -> int:
    """Kill attempts; returns how many were killed before they were done."""
    torch.set_num_threads(1)
    _, _, recorder.EVERY, longest = RUNS[name]
    rng, killed = random.Random(0), 0
    for number in range(1000):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                attempt(store, name)
                status = 0
            finally:
                os._exit(status)
        if killed < kills:
            time.sleep(rng.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.WEXITSTATUS(status):
            raise SystemExit(f"attempt {number} failed")
        else:
            return killed
    return killed


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
