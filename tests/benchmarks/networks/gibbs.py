"""Gibbs sampling: variable updates per CPU second on one core, with the peers in the same run.

    python -m tests.benchmarks.networks.gibbs [--workloads ising128 alarm ...] [--seconds 2]

Every measurement runs in a process of its own; tools take turns on each workload.
"""

from __future__ import annotations

import argparse
import os

from tests.benchmarks import harness
from tests.benchmarks.table import markdown

from . import workloads
from .worker import measured

TOOLS = {
    "probgen": ("own_gibbs", "measure"),
    "probgen, general kernel": ("own_gibbs", "measure_general"),
    "THRML": ("peer_thrml", "measure"),
    "JAGS": ("peer_jags", "measure"),
    "pyAgrum": ("peer_pyagrum", "measure"),
}
ALL = (*workloads.ISING, *workloads.RANDOM, *workloads.BAYESIAN, *workloads.UAI)


def main() -> None:
    """Measure and print one row per workload and number of chains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", nargs="+", default=ALL, choices=ALL, metavar="NAME")
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=list(TOOLS))
    parser.add_argument("--chains", nargs="+", type=int, default=[1, 256])
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    core = sorted(os.sched_getaffinity(0))[-1]
    print(f"{harness.processor()}; million variable updates per CPU second, one core\n")
    rows, remarks = [], []
    for workload in given.workloads:
        for chains in given.chains:
            results = {
                tool: measured(*TOOLS[tool], workload, chains, given.seconds, core=core)
                for tool in given.tools
            }
            rows.append([workload, str(chains), *_cells(results, given.tools)])
            remarks += [
                f"- {tool}, {workload}, {chains} chains: {result['failed']}"
                for tool, result in results.items()
                if "failed" in result and "not applicable" not in result["failed"]
            ]
            print(" | ".join(rows[-1]), flush=True)
    header = ["network", "chains", *given.tools, "best peer", "set-up s"]
    print("\n" + markdown(header, rows))
    print("\n".join(["", *dict.fromkeys(remarks)]))


def _cells(results: dict[str, dict], tools: list[str]) -> list[str]:
    rates = {tool: result["rate"] for tool, result in results.items() if "rate" in result}
    peers = {tool: rate for tool, rate in rates.items() if not tool.startswith("probgen")}
    best = max(peers, key=lambda tool: peers[tool], default=None)
    ratio = "-"
    if best is not None and "probgen" in rates:
        ratio = f"{rates['probgen'] / peers[best]:.3g}x {best}"
    setup = results.get("probgen", {}).get("setup")
    return [
        *(f"{rates[tool] / 1e6:.3g}" if tool in rates else "-" for tool in tools),
        ratio,
        "-" if setup is None else f"{setup:.2f}",
    ]


if __name__ == "__main__":
    main()
