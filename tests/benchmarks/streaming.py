"""What streaming draws to a store costs: `python -m tests.benchmarks.streaming`.

Eight schools, NUTS, 4 chains x 100,000 draws, with and without a store in turn, each in a fresh
process that has compiled the model before: wall and CPU seconds of `infer` and peak resident
memory (the rise over what the process had before), and memory again with four times the draws.
The ratio is that of the medians; a run without a store against another without shows the noise.
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


def measure(draws: int, store: str | None) -> dict[str, float]:
    """Seconds and MB of one run, in this process."""
    import probgen as pg

    model = pg.load_model("eight_schools")
    common = {"data": model.data, "seed": 1, "progress": False, "chains": 4}
    pg.infer(model.program, pg.NUTS(), draws=10, warmup=10, **common)
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall, cpu = time.perf_counter(), time.process_time()
    tree = pg.infer(model.program, pg.NUTS(), draws=draws, store=store, **common)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert tree["posterior"].sizes["draw"] == draws
    return {
        "wall": seconds[0],
        "cpu": seconds[1],
        "megabytes": (after.ru_maxrss - before.ru_maxrss) / 1024,
        "sampling": tree.attrs["seconds_sampling"],
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
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where stores are written")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.store)))
        return
    kinds = {"memory": (DRAWS, False), "store": (DRAWS, True), "memory again": (DRAWS, False)}
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    for _ in range(given.repeats):
        for kind, (draws, stored) in kinds.items():
            runs[kind].append(in_new_process(draws, stored, given.folder))
    runs["store, 4 x the draws"] = [in_new_process(4 * DRAWS, True, given.folder)]
    table = Table(
        "run", "wall s", "CPU s", "of it sampling s", "peak MB", "wall ratio", "CPU ratio"
    )
    base = _medians(runs["memory"])
    for kind, measured in runs.items():
        found = _medians(measured)
        ratios = [f"{found[n] / base[n]:.3f}" for n in ("wall", "cpu")]
        numbers = [f"{found[n]:.2f}" for n in ("wall", "cpu", "sampling")]
        ratios = ratios if len(measured) > 1 else ["", ""]
        table.add_row(kind, *numbers, f"{found['megabytes']:.0f}", *ratios)
    Console().print(table)


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    main()
