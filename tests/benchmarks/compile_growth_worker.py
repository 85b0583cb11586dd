"""One size of `compile_growth` in this process: prints its measurements as a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from probgen.compile.function import CompiledDensity, density_source
from probgen.compile.lower import lower
from probgen.declare.program import read_program
from probgen.targets.density import Density

COLUMNS = 50
_MB = 2**20


def regression(X, y):
    """Logistic regression."""
    b = pyro.sample("b", dist.Normal(torch.zeros(X.shape[-1]), 1.0).to_event(1))
    with pyro.plate("rows", len(X)):
        pyro.sample("y", dist.Bernoulli(logits=X @ b), obs=y)


def means(y):
    """Normal means with a common scale."""
    centre = pyro.sample("centre", dist.Normal(0.0, 5.0))
    scale = pyro.sample("scale", dist.HalfCauchy(5.0))
    with pyro.plate("groups", len(y)):
        theta = pyro.sample("theta", dist.Normal(centre, scale))
        pyro.sample("y", dist.Normal(theta, 1.0), obs=y)


def garch(y):
    """GARCH(1, 1), its variances one after another."""
    base = pyro.sample("base", dist.HalfNormal(1.0))
    news = pyro.sample("news", dist.Uniform(0.0, 1.0))
    memory = pyro.sample("memory", dist.Uniform(0.0, 1.0))
    variance, variances = base, []
    for t in range(len(y)):
        variances.append(variance)
        variance = base + news * y[t] ** 2 + memory * variance
    with pyro.plate("steps", len(y)):
        pyro.sample("y", dist.Normal(0.0, torch.stack(variances).sqrt()), obs=y)


def program_of(series: str, size: int) -> tuple[Callable[..., Any], dict[str, np.ndarray]]:
    """The program of a series and its data at one size."""
    rng = np.random.default_rng(0)
    if series == "rows":
        y = (rng.random(size) < 0.5).astype(float)
        return regression, {"X": rng.standard_normal((size, COLUMNS)), "y": y}
    return (means if series == "coordinates" else garch), {"y": rng.standard_normal(size)}


def stages(model: Callable[..., Any], data: dict[str, Any]) -> tuple[CompiledDensity, dict]:
    """A compiled density, and the seconds of every stage on the way."""
    clock = [time.perf_counter()]

    def lap(result: Any) -> Any:
        clock.append(time.perf_counter())
        return result

    program = lap(read_program(model, data))
    density = Density(program, program.latents)
    traced = lap(density.trace())
    source = lap(density_source(lower(traced), len(density.latents)))
    native = lap(CompiledDensity(source, density.dim, "bold"))
    return native, dict(zip(("read", "trace", "emit", "c++"), np.diff(clock), strict=True))


def best_seconds(call: Callable[[], Any], spend: float = 0.5) -> float:
    """The shortest of repeated calls, in blocks long enough to be timed."""
    call()
    best, spent, repeats = np.inf, 0.0, 1
    while spent < spend:
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        took = time.perf_counter() - started
        best, spent = min(best, took / repeats), spent + took
        repeats = max(1, int(repeats * min(0.02 / took, 10)))
    return float(best)


def memory(field: str) -> float:
    """Bytes of this process by a field of Linux's /proc; 0 elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(s.split()[1]) * 1024 for s in lines if s.startswith(field)), 0.0)


def main() -> None:
    """Measure the series and the size of the command line."""
    torch.set_num_threads(1)
    series, size = sys.argv[1], int(sys.argv[2])
    stages(*program_of(series, 7))  # imports, and memory that has nothing to do with the size
    before = memory("VmRSS")
    model, data = program_of(series, size)
    native, seconds = stages(model, data)
    q = np.full(native.dim, 0.1)
    result: dict[str, Any] = {
        **{stage: round(float(value), 4) for stage, value in seconds.items()},
        "gradient": 1e6 * best_seconds(lambda: native.value_and_grad(q)),
        "memory": max(memory("VmHWM") - before, 0.1 * _MB) / _MB,
        "data": sum(array.nbytes for array in data.values()) / _MB,
    }
    if series == "rows":
        result["limit"] = 1e6 * best_seconds(data["X"].sum)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
