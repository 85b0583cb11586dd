"""The wait for the first draw, with cold and with warm caches: probgen beside nutpie.

``python -m tests.benchmarks.first_draw --models a,b --repeats 3`` prints a Markdown table.
Every wait is measured in a fresh process on one core, libraries imported beforehand (their
import is shown apart); the call declares and compiles the model and makes one warm-up iteration
and one draw. Cold: the tool's cache directories are empty. Warm: an earlier process has made
the same call.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from . import harness, samplers, table
from .models import MODELS
from .outcome import Run
from .worker import Job, Record

COLUMNS = (
    "model",
    "probgen cold, wall (CPU) s",
    "nutpie cold, wall (CPU) s",
    "probgen / nutpie",
    "probgen warm, wall (CPU) s",
    "of which tracing",
    "beyond tracing",
    "nutpie warm, wall (CPU) s",
    "imports before, wall s: probgen, nutpie",
)
ONE_DRAW = Run(chains=1, warmup=1, draws=1)


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    records: list[Record] = []
    for model in options.models:
        for repeat in range(options.repeats):
            tools = ["probgen", "nutpie"]
            for tool in tools if repeat % 2 else reversed(tools):
                records += cold_and_warm(tool, model, options.core)
    print(report(records, options.models))


def cold_and_warm(tool: str, model: str, core: int) -> list[Record]:
    """Two waits in two processes that share a cache directory, empty before the first."""
    job = Job(tool, harness.TOOLS[tool][0], model, seed=1, run=ONE_DRAW)
    records = []
    with tempfile.TemporaryDirectory(prefix="probgen-benchmarks-") as cache:
        for state in ("cold", "warm"):
            record = harness.perform(job, core, Path(cache), worker="first_draw_worker")
            records.append(record | {"cache": state})
            told = f"{record['wall']:.2f} s" if record["status"] == "ok" else record["status"]
            print(f"{tool} on {model}, {state} cache: {told}", file=sys.stderr, flush=True)
    return records


def report(records: list[Record], models: list[str]) -> str:
    """The whole printed report."""
    return "\n\n".join(
        [
            f"# First draw, on one core of {harness.processor()}",
            table.versions(records),
            "Medians; wall seconds, CPU seconds of the process and its children in brackets.",
            table.markdown(COLUMNS, [_row(records, model) for model in models]),
        ]
    )


def _row(records: list[Record], model: str) -> list[str]:
    def chosen(tool: str, cache: str) -> list[Record]:
        key = (tool, model, cache, "ok")
        return [r for r in records if (r["tool"], r["model"], r["cache"], r["status"]) == key]

    ours, theirs = chosen("probgen", "cold"), chosen("nutpie", "cold")
    warm = [record for record in chosen("probgen", "warm") if "seconds_trace" in record]
    quotient = f"{_median(ours) / _median(theirs):.2f}" if ours and theirs else "-"
    tracing = f"{median(r['seconds_trace'] for r in warm):.3f}" if warm else "-"
    beyond = f"{median(r['wall'] - r['seconds_trace'] for r in warm):.3f}" if warm else "-"
    return [
        f"{model} {MODELS[model].title}",
        _seconds(ours),
        _seconds(theirs),
        quotient,
        _seconds(chosen("probgen", "warm")),
        tracing,
        beyond,
        _seconds(chosen("nutpie", "warm")),
        ", ".join(_import(chosen(tool, "warm")) for tool in ("probgen", "nutpie")),
    ]


def _median(records: list[Record], clock: str = "wall") -> float:
    return median(record[clock] for record in records)


def _import(records: list[Record]) -> str:
    return f"{_median(records, 'wall_import'):.2f}" if records else "-"


def _seconds(records: list[Record]) -> str:
    if not records:
        return "-"
    return f"{_median(records):.2f} ({_median(records, 'cpu'):.2f})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.first_draw")
    parser.add_argument("--models", type=samplers.choice(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    return parser


if __name__ == "__main__":
    main()
