"""One measurement in a process of its own: one tool, one model, one seed.

Started by the harness as ``python -m tests.benchmarks.worker JOB_JSON OUTPUT_FILE``. Whatever
goes wrong ends up in the record's ``status``; a failing tool must not stop the others.
"""

import dataclasses
import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from . import clock
from .models import MODELS, Model
from .outcome import Run

Record = dict[str, Any]

FULL = Run()
TINY = Run(chains=4, warmup=10, draws=10)


@dataclasses.dataclass(frozen=True)
class Job:
    """What to measure: ``module`` is the tool's file, ``options`` go to its ``prepare``."""

    tool: str
    module: str
    model: str
    seed: int
    run: Run = FULL
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> "Job":
        fields = json.loads(text)
        return cls(**fields | {"run": Run(**fields["run"])})

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


Measurement = Callable[[ModuleType, Job], Record]


def measure(job: Job, measurement: Measurement) -> Record:
    """The job's record; its ``status`` is "ok" or says why there are no numbers."""
    record = dataclasses.asdict(job)
    try:
        with clock.Stopwatch() as importing:
            tool = importlib.import_module(f".{job.module}", __package__)
    except ModuleNotFoundError as missing:
        return record | {"status": f"not installed ({missing.name})"}
    record |= {"versions": versions(tool), "wall_import": importing.wall}
    try:
        return record | measurement(tool, job) | {"status": "ok"}
    except Exception as error:  # recorded, whatever it is
        return record | {"status": f"failed: {type(error).__name__}: {error}"}


def versions(tool: ModuleType) -> dict[str, str]:
    found = {}
    for package in tool.PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "source tree"
    return found


def second_call(tool: ModuleType, job: Job) -> Record:
    """Cost of the second, full call, of compiling apart, and the quality of its draws."""
    from .convergence import convergence  # not earlier: it would shorten a tool's own import

    model = MODELS[job.model]
    run = _size(tool, "shorter_run", model, job.run)
    first_run = _size(tool, "first_run", run, TINY)
    with clock.Stopwatch() as first:
        sample = tool.prepare(model, **job.options)
        sample(first_run, job.seed)
    with clock.Stopwatch() as second:
        result = sample(run, job.seed)
    outcome = tool.read(result, model, run)
    sampled_twice = float(first_run == run)  # then compiling is what the first call took longer
    return {
        "run": dataclasses.asdict(run),
        "cpu": second.cpu,
        "wall": second.wall,
        "cpu_compile": first.cpu - sampled_twice * second.cpu,
        "wall_compile": first.wall - sampled_twice * second.wall,
        "gradients_warmup": outcome.gradients_warmup,
        "gradients": outcome.gradients,
        "divergences": outcome.divergences,
        **dataclasses.asdict(convergence(outcome.draws)),
    }


def _size(tool: ModuleType, choice: str, argument: Model | Run, default: Run) -> Run:
    return getattr(tool, choice)(argument) if hasattr(tool, choice) else default


def main(measurement: Measurement) -> None:
    """Measure the job given on the command line and write its record to the given file."""
    record = measure(Job.from_json(sys.argv[1]), measurement)
    Path(sys.argv[2]).write_text(json.dumps(record))


if __name__ == "__main__":
    main(second_call)
