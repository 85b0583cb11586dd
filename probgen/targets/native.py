"""The native backend: a traced density lowered to C++, built, and compared with the program."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from probgen.compile.function import (
    CompiledDensity,
    CompiledOutputs,
    density_source,
    outputs_source,
)
from probgen.compile.lower import lower
from probgen.compile.trace import TracedGraph
from probgen.errors import UnsupportedOperation
from probgen.targets import checked

if TYPE_CHECKING:
    from probgen.targets.density import Density

__all__ = ["build_native"]


def build_native(density: Density, traced: TracedGraph) -> None:
    """Give `density` its native function and outputs, from its traced graph.

    Raises `UnsupportedOperation` for an operation without a rule or a function that disagrees
    with the program, `BuildError` without a compiler.
    """
    views = lower(traced)
    source = density_source(views, len(density.latents), density.precision)
    density.native = CompiledDensity(source, density.dim, "bold")
    density.backend = "native"
    others = {name: view for name, view in views.items() if ":" in name and name[:5] != "grad:"}
    shapes = {name: view.shape for name, view in others.items()}
    values = [name for name in others if name.startswith(("latent:", "deterministic:"))]
    density._outputs = _in_background(
        lambda: CompiledOutputs(outputs_source(others, density.dim, values), shapes, density.dim)
    )
    difference = checked.difference(density)
    if difference:
        density.native = CompiledDensity(source, density.dim, "cautious")
        difference = checked.difference(density)
    if difference:
        raise UnsupportedOperation(checked.disagrees(difference))


def _in_background(task: Callable[[], Any]) -> Future[Any]:
    """Start `task` in a thread: the sampler needs its result only when it is done."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="probgen-build")
    future = pool.submit(task)
    pool.shutdown(wait=False)
    return future
