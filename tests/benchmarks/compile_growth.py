"""What compiling costs as a program grows: rows of data, coordinates, steps of a loop.

    python -m tests.benchmarks.compile_growth [--picture growth.png] [--series rows ...]

Every size runs in a process of its own with an empty compile cache, on one thread. The table
has the seconds of each stage (wall), the peak memory above that of a tiny program, data
included, and the microseconds of one gradient beside its limit: the time in which NumPy adds up
the data, read once. The picture has one column per series.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .clock import one_thread_environment

SIZES = {
    "rows": (100, 1_000, 10_000, 100_000, 1_000_000),
    "coordinates": (10, 100, 1_000, 10_000),
    "steps": (10, 30, 100, 300, 1_000),
}
TITLES = {
    "rows": ("logistic regression", "rows of 50 columns"),
    "coordinates": ("hierarchical normal means", "coordinates"),
    "steps": ("GARCH(1, 1), a Python loop", "steps"),
}
STAGES = {
    "read": "#BBBBBB",
    "trace": "#4477AA",
    "emit": "#228833",
    "c++": "#EE6677",
}
LIMIT_SECONDS = 300


def measure(series: str, size: int) -> dict[str, Any]:
    """One row of the table, from a fresh process; with the key "error" when that failed."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | one_thread_environment() | {"PROBGEN_CACHE": cache}
        command = [sys.executable, "-m", "tests.benchmarks.compile_growth_worker"]
        try:
            run = subprocess.run(
                [*command, series, str(size)],
                capture_output=True, text=True, timeout=LIMIT_SECONDS, env=environment,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"size": size, "error": f"more than {LIMIT_SECONDS} s"}
    if run.returncode != 0:
        return {"size": size, "error": (run.stderr.strip().splitlines() or ["it died"])[-1][:90]}
    return {"size": size, **json.loads(run.stdout.splitlines()[-1])}


def table(series: str, rows: list[dict[str, Any]]) -> str:
    """The measurements of one series as text."""
    title, below = TITLES[series]
    heads = (*(f"{stage} s" for stage in STAGES), "MB", "us/gradient", "limit us")
    lines = [title, f"{below:>20}" + "".join(f"{head:>12}" for head in heads)]
    for row in rows:
        text = f"{row['size']:>20,}"
        if "error" in row:
            lines.append(f"{text}  {row['error']}")
            continue
        text += "".join(f"{row[stage]:>12.3f}" for stage in STAGES)
        text += f"{row['memory']:>12.1f}{row['gradient']:>12.4g}"
        lines.append(text + (f"{row['limit']:>12.4g}" if "limit" in row else ""))
    return "\n".join(lines)


def draw(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Three rows of panels (seconds, memory, gradient), one column per series."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    panels = figure.subplots(3, len(results), squeeze=False, sharex="col", sharey="row")
    for column, (series, measured) in enumerate(results.items()):
        rows = [row for row in measured if "error" not in row]
        x = [row["size"] for row in rows]
        seconds, memory, gradient = panels[:, column]
        for stage, colour in STAGES.items():
            seconds.plot(x, [row[stage] for row in rows], "o-", color=colour, label=stage)
        memory.plot(x, [row["memory"] for row in rows], "o-", color="#4477AA", label="peak")
        gradient.plot(
            x, [row["gradient"] for row in rows], "o-", color="#4477AA", label="compiled"
        )
        if series == "rows":
            data = [row["data"] for row in rows]
            memory.plot(x, [2 * d for d in data], ":", color="#888888", label="twice the data")
            limit = [3 * row["limit"] for row in rows]
            gradient.plot(x, limit, ":", color="#888888", label="three times reading the data")
        title, below = TITLES[series]
        seconds.set_title(title)
        gradient.set_xlabel(below)
    for axes, label in zip(panels[:, 0], ("seconds", "peak MB", "µs per gradient"), strict=True):
        axes.set_ylabel(label)
    for axes in panels.ravel():
        axes.set(xscale="log", yscale="log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    for axes in (*panels[1:, 0], panels[0, -1]):
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure the series asked for, print them, and draw them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--series", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--largest", type=int, default=10**9, help="leave out larger sizes")
    given = parser.parse_args()
    results = {}
    for series in given.series:
        sizes = [size for size in SIZES[series] if size <= given.largest]
        results[series] = [measure(series, size) for size in sizes]
        print(table(series, results[series]), flush=True)
    if given.picture:
        draw(results, given.picture)


if __name__ == "__main__":
    main()
