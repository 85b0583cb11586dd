"""One measurement in a process of its own: a function by name, its arguments, JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.benchmarks import clock, harness

_MARK = "RESULT "


def measured(module: str, function: str, *arguments: Any, core: int, timeout: float = 900) -> Any:
    """What a function of this package returns in a fresh process on one core.

    A dictionary with the key `failed` when it raises, dies or takes too long.
    """
    cache = Path(tempfile.gettempdir()) / f"probgen-benchmark-{os.getuid()}"
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name, module, function]
    try:
        done = subprocess.run(
            [*command, json.dumps(arguments)],
            cwd=harness.ROOT,
            env=harness.environment(cache),
            preexec_fn=lambda: clock.pin_to(core),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"longer than {timeout:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if lines:
        return json.loads(lines[-1].removeprefix(_MARK))
    return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}


def main() -> None:
    """Call the function named on the command line and print what it returns."""
    module, function, arguments = sys.argv[1:]
    package = __spec__.name.rpartition(".")[0]
    try:
        call = getattr(import_module(f"{package}.{module}"), function)
        result = call(*json.loads(arguments))
    except NotImplementedError as error:
        result = {"failed": f"not applicable: {error}"}
    except (ImportError, FileNotFoundError) as error:
        result = {"failed": f"absent: {error}"}
    print(_MARK + json.dumps(result))


if __name__ == "__main__":
    main()
