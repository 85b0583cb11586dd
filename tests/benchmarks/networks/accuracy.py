"""How far the approximate engines are from the truth on the UAI 2014 instances.

    python -m tests.benchmarks.networks.accuracy [--instances Grids_15 ...] [--out table.md]

One table: the mean Hellinger distance of the marginals from the reference (the evaluation
criterion of the UAI competitions), the error of log10 Z, and CPU seconds. References are exact
marginals in full precision where they are known, else the published ones (six digits).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable

import numpy as np

from probgen.declare.networks.uai import read_uai, read_uai_evidence
from probgen.declare.networks.uai_results import read_marginals
from probgen.targets.factors import Factors, condition
from tests.benchmarks import harness
from tests.benchmarks.table import markdown
from tests.reference_data import find_reference_data

from .worker import measured

ENGINES = ("Exact", "BeliefPropagation", "MeanField", "Gibbs", "ParallelTempering")
OPTIONS = {"Gibbs": {"chains": 64, "draws": 2000}, "ParallelTempering": {"draws": 1000}}


def run(engine: str, instance: str) -> dict[str, object]:
    """Error, log10 evidence and CPU seconds of one engine on one instance."""
    import time

    import probgen as pg
    from probgen.errors import ProbgenError
    from probgen.inference.infer_network import NetworkOptions, infer_network

    factors, reference = load(instance)
    options = {"chains": None, "draws": None, "warmup": None} | OPTIONS.get(engine, {})
    evidence = {factors.network.names[v]: s for v, s in factors.evidence.items()}
    started = time.process_time()
    try:
        tree = infer_network(
            factors.network,
            getattr(pg, engine)(),
            evidence,
            NetworkOptions(**options, seed=1, threads=1, progress=False),
        )
    except ProbgenError as error:
        return {"failed": f"{type(error).__name__}: {str(error)[:100]}"}
    seconds = time.process_time() - started
    table = pg.marginals(tree)
    return {
        "seconds": seconds,
        "hellinger": hellinger(table["probability"].to_numpy(), factors, reference),
        "log10": float(tree.attrs.get("log_evidence", np.nan)) / np.log(10),
        "r_hat": float(table["r_hat"].max()) if "r_hat" in table else None,
    }


def load(instance: str) -> tuple[Factors, list[np.ndarray]]:
    """An instance with its evidence, and reference marginals of all its variables."""
    path = find_reference_data("uai", f"{instance}.uai")
    if path is None:
        raise FileNotFoundError(f"{instance}.uai (set PROBGEN_DATA)")
    factors = condition(read_uai(path), read_uai_evidence(path.with_name(f"{path.name}.evid")))
    precise = path.with_name("exact_marginals.npz")
    if precise.exists():
        with np.load(precise, allow_pickle=False) as arrays:
            if instance in arrays:
                rows = zip(arrays[instance], factors.network.cards, strict=True)
                return factors, [row[:card] for row, card in rows]
    return factors, read_marginals(path.with_name(f"{path.name}.MAR"))


def hellinger(
    probabilities: np.ndarray, factors: Factors, reference: Iterable[np.ndarray]
) -> float:
    """Mean over the free variables of the Hellinger distance to the reference."""
    reference = list(reference)
    distances, start = [], 0
    for v, card in zip(factors.free, factors.cards, strict=True):
        ours = probabilities[start : start + card]
        overlap = np.sqrt(np.maximum(ours, 0) * reference[v]).sum()
        distances.append(np.sqrt(max(0.0, 1.0 - overlap)))
        start += card
    return float(np.mean(distances))


def instances() -> list[dict]:
    """Every instance at hand, with what is known of it."""
    path = find_reference_data("uai", "INDEX.json")
    return [] if path is None else json.loads(path.read_text())


def main() -> None:
    """Run every engine on every instance and print one table."""
    known = {entry["name"]: entry for entry in instances()}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", nargs="+", default=sorted(known), metavar="NAME")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--timeout", type=float, default=300)
    given = parser.parse_args()
    core = sorted(os.sched_getaffinity(0))[-1]
    print(f"{harness.processor()}; mean Hellinger error | error of log10 Z | CPU s\n")
    rows = []
    for name in given.instances:
        cells = []
        for engine in given.engines:
            result = measured("accuracy", "run", engine, name, core=core, timeout=given.timeout)
            cells.append(_cell(result, known[name]["ref_log10Z"]))
        rows.append([name, str(known[name]["minfill_width"]), *cells])
        print(" | ".join(rows[-1]), flush=True)
    print("\n" + markdown(["instance", "width", *given.engines], rows))


def _cell(result: dict, truth: float) -> str:
    if "failed" in result:
        return str(result["failed"]).split(":")[0]
    error = result["log10"] - truth
    evidence = "" if np.isnan(error) else f" | {error:+.3g}"
    return f"{result['hellinger']:.2g}{evidence} | {result['seconds']:.2g} s"


if __name__ == "__main__":
    main()
