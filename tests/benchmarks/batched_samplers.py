"""Samplers that move many chains together, beside NUTS, on the five benchmark models.

``python -m tests.benchmarks.batched_samplers --models a,b --methods NUTS,ChEES --seeds 2``
prints Markdown tables. Warm-up is charged everywhere. Methods that this version does not have
are skipped. On a machine with a GPU, ``--device cuda`` runs 64 to 4096 chains there.
"""

import argparse
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

import probgen as pg
from probgen.declare.program import read_program
from probgen.inference.initialise import initialise
from probgen.inference.method import Plan
from probgen.targets.density import Density, compile_density

from .convergence import convergence
from .models import MODELS
from .pyro_programs import PROGRAMS, tensors
from .samplers import choice
from .table import markdown

METHODS = ("NUTS", "ChEES", "MCLMC", "MAMS")
GPU_CHAINS = (64, 256, 1024, 4096)
COLUMNS = (
    "method", "chains x (warm-up + draws)", "engine", "min bulk ESS",
    "gradients (warm-up + draws)", "ESS per 1000 gradients", "CPU s", "wall s", "ESS / CPU s",
    "ESS / wall s", "R-hat", "divergences",
)  # fmt: skip

EXPLANATION = """\
One thread, the density compiled beforehand; medians over seeds. CPU and wall seconds are of the
whole run of the sampler, warm-up included, as are gradients in "ESS per 1000 gradients". ESS and
R-hat: the worst unconstrained coordinate, by arviz-stats. R-hat of many short chains is above 1
by about half the inverse of the ESS of a chain, also where nothing is wrong."""


@dataclass(frozen=True)
class Row:
    """What one run of a method cost and gave."""

    plan: str
    engine: str
    ess: float
    warmup: int
    gradients: int
    cpu: float
    wall: float
    rhat: float
    divergences: int


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    print("# Many chains in lockstep\n\n" + EXPLANATION)
    if options.device == "cpu" and not torch.cuda.is_available():
        print("\nNo GPU here: CPU only.")
    for name in options.models:
        print(f"\n## {name}: {MODELS[name].title}\n")
        density = _density(name, options)
        print(markdown(COLUMNS, _rows(density, options)), flush=True)


def _density(name: str, options: argparse.Namespace) -> Density:
    program = read_program(PROGRAMS[name], tensors(MODELS[name]))
    return compile_density(program, options.backend)


def _rows(density: Density, options: argparse.Namespace) -> list[list[str]]:
    rows = []
    for name in options.methods:
        method = _method(name, options.device)
        if method is None:
            rows.append([name, *["not in this version"], *["-"] * (len(COLUMNS) - 2)])
            continue
        batched = options.device != "cpu" and hasattr(method, "device")
        for chains in options.chains or (GPU_CHAINS if batched else (0,)):
            runs = [_run(method, density, seed, chains) for seed in range(1, options.seeds + 1)]
            rows.append([name, *_cells(runs)])
    return rows


def _method(name: str, device: str) -> Any:
    try:
        kind = getattr(pg, name)
    except AttributeError:
        if name != "ChEES":
            return None
        from probgen.inference.chees import ChEES as kind
    return kind(device=device) if device != "cpu" and name == "ChEES" else kind()


def _run(method: Any, density: Density, seed: int, chains: int) -> Row:
    sizes = {"chains": 4, "draws": 1000, "warmup": 1000, **getattr(method, "defaults", {})}
    sizes["chains"] = chains or sizes["chains"]
    plan = Plan(**sizes, seed=seed, initial=initialise(density, sizes["chains"], seed))
    cpu, wall = time.process_time(), time.perf_counter()
    result = method.run(density, plan)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    found = convergence({"q": result.unconstrained})
    summary, diverging = result.summary, result.stats.get("diverging", np.zeros(1))
    return Row(
        plan=f"{sizes['chains']} x ({sizes['warmup']} + {sizes['draws']})",
        engine=f"{summary['engine']} {summary.get('device', 'cpu')}",
        ess=found.ess_bulk,
        warmup=summary["gradient_evaluations_warmup"],
        gradients=summary["gradient_evaluations"],
        cpu=cpu,
        wall=wall,
        rhat=found.rhat,
        divergences=int(diverging.sum()),
    )


def _cells(runs: list[Row]) -> list[str]:
    def middle(value: Any) -> float:
        return median(map(value, runs))

    return [
        runs[0].plan,
        runs[0].engine,
        f"{middle(lambda r: r.ess):.0f}",
        f"{middle(lambda r: r.warmup):.0f} + {middle(lambda r: r.gradients):.0f}",
        f"{middle(lambda r: 1000 * r.ess / (r.warmup + r.gradients)):.3g}",
        f"{middle(lambda r: r.cpu):.3g}",
        f"{middle(lambda r: r.wall):.3g}",
        f"{middle(lambda r: r.ess / r.cpu):.3g}",
        f"{middle(lambda r: r.ess / r.wall):.3g}",
        f"{middle(lambda r: r.rhat):.3f}",
        f"{middle(lambda r: r.divergences):.0f}",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.batched_samplers")
    parser.add_argument("--models", type=choice(MODELS), default=list(MODELS))
    parser.add_argument("--methods", type=lambda t: t.split(","), default=list(METHODS))
    parser.add_argument("--chains", type=lambda t: [int(n) for n in t.split(",")], default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backend", default="auto", help="of the density: auto, native, torch")
    parser.add_argument("--device", default="cpu", help="where batched methods compute")
    return parser


if __name__ == "__main__":
    main()
