"""What streaming draws to a store costs: `python -m tests.benchmarks.streaming`.

Eight schools, NUTS, 4 chains x 100,000 draws, with and without a store in turn, each in a fresh
process that has compiled the model and made a few draws in the same way before: wall and CPU
seconds of `infer` (user and system) and peak resident memory (the rise over what the process had
before), and memory again with four times the draws. Every round runs each kind once, every other
round in reverse; a ratio is the median over rounds of that to the run in memory of the same
round. A run without a store against another without shows the noise.

What a machine charges for memory that is touched for the first time counts on both sides (draws
in memory, the page cache of the store) and varies most in virtual machines: look at the noise.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

DRAWS = 100_000
COLUMNS = {
    "wall s": "wall",
    "CPU s": "cpu",
    "user s": "user",
    "system s": "system",
}


def measure(draws: int, store: str | None) -> dict[str, float]:
    """Seconds and MB of one run, in this process."""
    import probgen as pg

    model = pg.load_model("eight_schools")
    common = {"data": model.data, "seed": 1, "progress": False, "chains": 4}
    small = None if store is None else f"{store}.small"
    pg.infer(model.program, pg.NUTS(), draws=10, warmup=10, store=small, **common)
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter()
    tree = pg.infer(model.program, pg.NUTS(), draws=draws, store=store, **common)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert tree["posterior"].sizes["draw"] == draws
    return {
        "wall": wall,
        "user": (user := after.ru_utime - before.ru_utime),
        "system": (system := after.ru_stime - before.ru_stime),
        "cpu": user + system,
        "megabytes": (after.ru_maxrss - before.ru_maxrss) / 1024,
    }


def in_new_process(draws: int, stored: bool, folder: str) -> dict[str, float]:
    """The same in a process of its own, so that memory is not that of an earlier run."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, "-m", "tests.benchmarks.streaming", "--one", str(draws)]
        command += ["--store", str(Path(place, "run.zarr"))] if stored else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where stores are written")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.store)))
        return
    kinds = {"memory": (DRAWS, False), "store": (DRAWS, True), "memory again": (DRAWS, False)}
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for number in range(given.repeats):
        for kind in reversed(kinds) if number % 2 else kinds:
            runs[kind].append(in_new_process(*kinds[kind], given.folder))
    table = Table("run", *COLUMNS, "peak MB", "wall ratio", "CPU ratio")
    for kind, measured in runs.items():
        ratios = [
            f"{statistics.median(run[n] / base[n] for run, base in pairs):.3f}"
            for n in ("wall", "cpu")
            for pairs in [list(zip(measured, runs["memory"], strict=True))]
        ]
        table.add_row(kind, *_row(measured), *ratios)
    more = [in_new_process(4 * DRAWS, True, given.folder)]
    table.add_row("store, 4 x draws", *_row(more), "", "")
    Console().print(table)


def _row(runs: list[dict[str, float]]) -> list[str]:
    """Medians, as texts."""
    found = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return [*(f"{found[n]:.2f}" for n in COLUMNS.values()), f"{found['megabytes']:.0f}"]


if __name__ == "__main__":
    main()
