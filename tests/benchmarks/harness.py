"""Runs the measurements: one job at a time, each in a fresh process pinned to one core.

Tools take turns and the order is reversed with every seed, so that a machine that warms up or
slows down favours nobody. Caches are empty at the start of a benchmark run and shared by the
seeds of one tool and model, so the longest first call is the time of a cold compilation.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import clock
from .outcome import Run
from .worker import Job, Record

ROOT = Path(__file__).resolve().parents[2]

CONTROL = "probgen again"
SINGLE_PRECISION = "numpyro (single)"

# A tool's name in the tables: its file and what its ``prepare`` is told.
TOOLS = {
    "probgen": ("tool_probgen", {}),
    CONTROL: ("tool_probgen", {}),
    "nutpie": ("tool_nutpie", {}),
    "stan": ("tool_stan", {}),
    "numpyro": ("tool_numpyro", {}),
    SINGLE_PRECISION: ("tool_numpyro", {"double": False}),
    "pyro": ("tool_pyro", {}),
}
CONTROL_SEED_OFFSET = 100


def jobs(tools: Iterable[str], models: Iterable[str], seeds: int, run: Run) -> Iterator[Job]:
    """All jobs in the order in which they run: by model, then seed, with tools alternating."""
    tools = list(tools)
    for model in models:
        for seed in range(1, seeds + 1):
            for tool in tools if seed % 2 else reversed(tools):
                module, options = TOOLS[tool]
                offset = CONTROL_SEED_OFFSET if tool == CONTROL else 0
                yield Job(tool, module, model, seed + offset, run, options)


def perform(
    job: Job, core: int, cache: Path, timeout: float = 1800.0, worker: str = "worker"
) -> Record:
    """Run one job in its own process and return its record, also when the process dies."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "record.json"
        command = [sys.executable, "-W", "ignore", "-m", f"tests.benchmarks.{worker}"]
        process = subprocess.Popen(
            [*command, job.to_json(), str(output)],
            cwd=scratch,  # httpstan leaves files in the working directory
            env=environment(cache / job.module / job.model),
            preexec_fn=lambda: clock.pin_to(core),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # Stan's chains are children of the process
            process.wait()
            return _failed(job, f"longer than {timeout:.0f} s")
        if output.exists():
            return json.loads(output.read_text())
        return _failed(job, (errors.strip().splitlines() or [f"exit {process.returncode}"])[-1])


def _failed(job: Job, reason: str) -> Record:
    return json.loads(job.to_json()) | {"status": f"failed: {reason}"}


def environment(cache: Path) -> dict[str, str]:
    """One thread everywhere, and every tool's cache under the given directory."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        **os.environ,
        **clock.one_thread_environment(),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PROBGEN_CACHE": str(cache),
        "XDG_CACHE_HOME": str(cache),  # httpstan
        "PYTENSOR_FLAGS": f"base_compiledir={cache}",
        "NUMBA_CACHE_DIR": str(cache),
    }


def processor() -> str:
    """The processor's name, with the number of cores this process may use."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores"
