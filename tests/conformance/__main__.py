"""``python -m tests.conformance [NAMES]``: sample posteriors, compare, print one table.

Without names: those with reference draws. Names may hold wildcards (`'radon_*'`). Exit status
0: all pass; 1: not all; 2: nothing to run. Means, standard deviations and quantiles (5, 50,
95 %) must lie within the Monte Carlo error of both sides. ESS is the smallest over all scalars;
per gradient and per second it is charged with the warm-up, compile time apart.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.conformance.database import Database, open_database
from tests.conformance.outcome import Outcome, Settings, run
from tests.conformance.table import as_json, notes, summary, table
from tests.conformance.target import Target, from_database, from_zoo
from tests.reference_data import find_reference_data


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    kinds = parser.add_mutually_exclusive_group()
    for kind, text in (
        ("all", "everything"),
        ("with-reference", "posteriors with reference draws (the default)"),
        ("no-reference", "posteriors without: R-hat only"),
        ("zoo", "models of the zoo that have a reference"),
    ):
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=text)
    parser.add_argument("--database", type=Path, help="a checkout of posteriordb, or its folders")
    parser.add_argument("--chains", type=int, default=Settings.chains)
    parser.add_argument("--draws", type=int, default=Settings.draws)
    parser.add_argument("--warmup", type=int, default=Settings.warmup)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--json", type=Path, help="write everything to this file as well")
    return parser.parse_args(argv)


def targets(
    database: Database | None, names: list[str], kind: str | None
) -> tuple[list[Target], list[str]]:
    """What to run, and the names of posteriors that no file declares."""
    chosen: list[Target] = []
    unknown: list[str] = []
    kind = kind or ("all" if names else "with-reference")
    if database is not None and kind != "zoo":
        for entry in database.entries():
            if kind != "all" and entry.has_reference != (kind == "with-reference"):
                continue
            target = from_database(database, entry)
            if target is None:
                unknown.append(entry.name)
            else:
                chosen.append(target)
    if kind in ("zoo", "all"):
        chosen.extend(from_zoo())
    if names:
        chosen = [t for t in chosen if any(fnmatch.fnmatchcase(t.name, n) for n in names)]
        unknown = [u for u in unknown if any(fnmatch.fnmatchcase(u, n) for n in names)]
    return chosen, unknown


def main(argv: list[str] | None = None) -> int:
    options, console = arguments(argv), Console()
    if not console.is_terminal:
        console = Console(width=250)
    path = options.database or find_reference_data("posteriordb")
    database = open_database(path) if path else None
    chosen, unknown = targets(database, options.names, options.kind)
    if options.list:
        console.print(*(target.name for target in chosen), sep="\n", highlight=False)
        return 0
    if unknown:
        console.print(f"Without a program here: {', '.join(unknown)}.", highlight=False)
    if not chosen:
        console.print("Nothing to run: name a database (--database, or PROBGEN_DATA).")
        return 2
    settings = Settings(options.chains, options.draws, options.warmup, options.seed)
    started = time.perf_counter()
    outcomes = sample(chosen, settings, console)
    seconds = time.perf_counter() - started
    console.print(table(outcomes))
    for line in [*notes(outcomes), summary(outcomes, seconds)]:
        console.print(line, highlight=False, soft_wrap=True)
    report = as_json(outcomes, seconds)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 0 if all(o.passes(report["bound"]) for o in outcomes) else 1


def sample(chosen: list[Target], settings: Settings, console: Console) -> list[Outcome]:
    """Every target in turn; Ctrl-C ends the run, and what is finished is printed."""
    outcomes: list[Outcome] = []
    try:
        for number, target in enumerate(chosen, start=1):
            with console.status(target.name):
                outcome = run(target, settings)
            outcomes.append(outcome)
            line = f"{number}/{len(chosen)} {target.name}: {outcome.seconds:.1f} s"
            console.print(line, highlight=False)
    except KeyboardInterrupt:
        console.print("Interrupted: the rest is left out.")
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
