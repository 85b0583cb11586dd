"""All marginals of every BIF network and UAI instance, exactly: probgen and pyAgrum, one core.

    python -m tests.benchmarks.networks.exact [--networks alarm Grids_12 ...] [--repeats 9]

Timed from a network in memory on: order, calibration, every marginal.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from probgen.declare.networks import bundled
from probgen.declare.networks.bif_writer import write_bif
from tests.benchmarks import harness
from tests.benchmarks.table import markdown
from tests.reference_data import find_reference_data

from .accuracy import instances
from .worker import measured


def main() -> None:
    """Measure and print one row per network, and how many are at or below pyAgrum's time."""
    verified = [entry["name"] for entry in instances() if entry.get("verified")]
    names = [*bundled.bundled_names(), *verified]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--timeout", type=float, default=300)
    given = parser.parse_args()
    core = sorted(os.sched_getaffinity(0))[-1]
    print(f"{harness.processor()}; CPU milliseconds, one core\n")
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.networks:
            path = unpacked(name, Path(folder))
            results = [
                measured(module, "measure", path, given.repeats, core=core, timeout=given.timeout)
                for module in ("own_exact", "peer_exact")
            ]
            times = [result.get("seconds") for result in results]
            if None not in times:
                ratios.append(times[0] / times[1])
            rows.append([name, *map(_cell, results), f"{ratios[-1]:.2f}" if all(times) else "-"])
            print(" | ".join(rows[-1]), flush=True)
    print("\n" + markdown(["network", "probgen", "pyAgrum", "probgen / pyAgrum"], rows))
    below = sum(ratio <= 1 for ratio in ratios)
    print(f"\nAt or below pyAgrum on {below} of {len(ratios)}; largest ratio {max(ratios):.2f}.")


def unpacked(name: str, folder: Path) -> str:
    """Path of a UAI instance, or of a bundled network as BIF with names every reader takes."""
    instance = find_reference_data("uai", f"{name}.uai")
    if instance is not None:
        return str(instance)
    path = folder / f"{name}.bif"
    network = bundled.load_bundled(name)
    names = tuple(f"v{v}" for v in range(len(network.names)))
    states = tuple(tuple(f"s{k}" for k in range(len(each))) for each in network.states)
    write_bif(replace(network, names=names, states=states), path)
    return str(path)


def _cell(result: dict) -> str:
    if "seconds" in result:
        return f"{1e3 * result['seconds']:.3g}"
    return result["failed"][:60]


if __name__ == "__main__":
    main()
