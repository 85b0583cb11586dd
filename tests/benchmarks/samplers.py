"""Effective draws per CPU second of probgen and its peers on five models.

``python -m tests.benchmarks.samplers --models a,b --tools probgen,nutpie --seeds 3``
prints Markdown tables; ``--output FILE`` keeps all records as JSON. Everything, three seeds,
takes most of an hour on an idle machine; without stan and pyro half of that.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from . import harness, table
from .models import MODELS
from .outcome import Run
from .worker import Record

EXPLANATION = """\
CPU s: the whole second call in a process, warm-up, draws and the tool's result object, of the
process and its children, on one core; medians over seeds. Compile: the longest first call of
the seeds, from declared model to compiled sampler, with 10 + 10 iterations (NumPyro: first
call minus second). ESS and R-hat: the worst coordinate of all latent sites, by arviz-stats.
Largest z: the largest difference of a posterior mean from another library's, in Monte Carlo
standard errors, over all coordinates. "probgen again" is a control: probgen with other seeds.
All tools run with their default settings in double precision, except NumPyro (single).
Pyro's runs are too short for more than an order of magnitude. A "?" is a count not kept."""


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    run = Run(options.chains, options.warmup, options.draws)
    todo = list(harness.jobs(options.tools, options.models, options.seeds, run))
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="probgen-benchmarks-") as cache:
        for number, job in enumerate(todo, start=1):
            record = harness.perform(job, options.core, Path(cache), options.timeout)
            records.append(record)
            print(f"[{number}/{len(todo)}] {_line(record)}", file=sys.stderr, flush=True)
            if options.output:
                options.output.write_text(json.dumps(records))
    print(report(records, options.models))


def report(records: list[Record], models: list[str]) -> str:
    """The whole printed report."""
    sections = [
        f"# Samplers on one core of {harness.processor()}",
        table.versions(records),
        EXPLANATION,
    ]
    for model in models:
        sections.append(f"## {model}: {MODELS[model].title}")
        sections.append(table.measurements(records, model))
    for ess in ("bulk", "tail"):
        sections.append(f"## probgen's {ess} ESS per CPU second, in multiples of each tool's")
        sections.append(table.ratios(records, models, f"ess_{ess}"))
    if spread := table.control_spread(records, models):
        sections.append(f"probgen's bulk ESS per CPU second over all seeds: {spread}.")
    return "\n\n".join(sections)


def _line(record: Record) -> str:
    what = f"{record['tool']} on {record['model']}, seed {record['seed']}: "
    if record["status"] != "ok":
        return what + record["status"]
    cpu, ess = record["cpu"], record["ess_bulk"]
    return what + f"{cpu:.3g} CPU s, bulk ESS {ess:.0f}, {ess / cpu:.4g}/s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.samplers")
    parser.add_argument("--models", type=choice(MODELS), default=list(MODELS))
    parser.add_argument("--tools", type=choice(harness.TOOLS), default=list(harness.TOOLS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--chains", type=int, default=Run.chains)
    parser.add_argument("--warmup", type=int, default=Run.warmup)
    parser.add_argument("--draws", type=int, default=Run.draws)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds per measurement")
    parser.add_argument("--output", type=Path)
    return parser


def choice(known: dict):
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; choose from {', '.join(known)}"
            )
        return chosen

    return names


if __name__ == "__main__":
    main()
