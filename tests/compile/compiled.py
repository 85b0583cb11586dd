"""Small torch functions through the compiler: trace, lower, emit, build, call.

Many functions go into one library, since starting the C++ compiler costs more than compiling.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from probgen.compile.build import build
from probgen.compile.emit import Emitted, Output, emit
from probgen.compile.lower import lower
from probgen.compile.rules import RULES
from probgen.compile.runtime import runtime
from probgen.compile.trace import trace_with_gradient

Function = Callable[..., torch.Tensor | Sequence[torch.Tensor]]

SEEN: set = set()  # operations whose rule has been applied


def _count_rules() -> None:
    def counted(operation, lowering):
        def lower_and_note(*args, **kwargs):
            SEEN.add(operation)
            return lowering(*args, **kwargs)

        return lower_and_note

    for operation, lowering in RULES.items():
        RULES[operation] = counted(operation, lowering)


_count_rules()


@dataclass(frozen=True)
class Case:
    """A function of float64 tensors of the given shapes, with entries in [low, high]."""

    name: str
    function: Function
    shapes: tuple[tuple[int, ...], ...]
    low: float = -2.0
    high: float = 2.0
    rtol: float = 1e-10

    def inputs(self, seed: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [
            self.low
            + (self.high - self.low) * torch.rand(shape, generator=generator, dtype=torch.float64)
            for shape in self.shapes
        ]

    def evaluate(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A weighted sum of the outputs, and the outputs."""
        outputs = self.function(*inputs)
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        named = {f"out:{i}": output.double() for i, output in enumerate(outputs)}
        value = sum(((_weights(out) * out).sum() for out in named.values()), torch.zeros(()))
        return value, named

    def expected(self, inputs: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
        """What torch says: value, gradients and outputs by name."""
        leaves = [item.clone().requires_grad_() for item in inputs]
        value, named = self.evaluate(*leaves)
        gradients = [torch.zeros_like(leaf) for leaf in leaves]
        if value.requires_grad:
            gradients = torch.autograd.grad(
                value, leaves, allow_unused=True, materialize_grads=True
            )
        results = {"value": value, **{f"grad:{i}": g for i, g in enumerate(gradients)}, **named}
        return {name: result.detach().numpy(force=True) for name, result in results.items()}


def case(name: str, function: Function, *shapes: tuple[int, ...], **options: float) -> Case:
    """A line of a table of cases."""
    return Case(name, function, shapes, **options)


def _weights(output: torch.Tensor) -> torch.Tensor:
    """Fixed positive weights, so that no two elements can be mixed up."""
    count = torch.arange(output.numel(), dtype=torch.float64)
    return (0.5 + torch.frac(count * 0.6180339887)).reshape(output.shape)


@dataclass
class Compiled:
    """A case lowered to C++ text."""

    case: Case
    emitted: Emitted
    shapes: dict[str, tuple[int, ...]]
    function: ctypes._CFuncPtr | None = None

    def __call__(self, inputs: Sequence[torch.Tensor]) -> dict[str, np.ndarray]:
        """What the compiled code says, in the form of `Case.expected`."""
        q = np.concatenate([item.reshape(-1).numpy() for item in inputs] or [np.zeros(0)])
        results = {name: np.full(shape, 777.0) for name, shape in self.shapes.items()}
        out = (ctypes.c_void_p * max(len(results), 1))(*(a.ctypes.data for a in results.values()))
        tables = [np.ascontiguousarray(array) for array in self.emitted.constants]
        constants = (ctypes.c_void_p * max(len(tables), 1))(*(a.ctypes.data for a in tables))
        value = self.function(q.ctypes.data, ctypes.addressof(out), ctypes.addressof(constants))
        return {"value": np.asarray(value), **results}


def lowered(case: Case, symbol: str = "compiled") -> Compiled:
    """The C++ text of a case; raises `UnsupportedOperation` when it cannot be compiled."""
    with torch.no_grad():
        traced = trace_with_gradient(case.evaluate, case.inputs(0))
    views = lower(traced)
    value = views.pop("value")
    outputs = [Output(view, slot) for slot, view in enumerate(views.values())]
    emitted = emit(f"{symbol}_body", outputs, returned=value)
    export = (
        f'extern "C" __attribute__((visibility("default"))) double {symbol}'
        "(const double* q,double* const* out,const void* const* k)"
        f"{{return {symbol}_body(q,out,k);}}\n"
    )
    shapes = {name: view.shape for name, view in views.items()}
    return Compiled(case, Emitted(emitted.text + export, emitted.constants), shapes)


def compile_cases(cases: Sequence[Case]) -> dict[str, Compiled | Exception]:
    """All cases in one library, by name; a case that cannot be compiled is its exception."""
    results: dict[str, Compiled | Exception] = {}
    for number, case in enumerate(cases):
        try:
            results[case.name] = lowered(case, f"case{number}")
        except Exception as error:
            results[case.name] = error
    texts = [item.emitted.text for item in results.values() if isinstance(item, Compiled)]
    text = "\n".join(texts)
    library = build(runtime(text) + text, "cases", "bold")
    for number, item in enumerate(results.values()):
        if isinstance(item, Compiled):
            item.function = getattr(library, f"case{number}")
            item.function.restype = ctypes.c_double
            item.function.argtypes = [ctypes.c_void_p] * 3
    return results


def assert_same(compiled: Compiled, inputs: Sequence[torch.Tensor]) -> None:
    """Value, gradients and outputs of compiled code equal torch's, NaN for NaN."""
    expected, actual = compiled.case.expected(inputs), compiled(inputs)
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        finite = np.abs(array[np.isfinite(array)])
        scale = max(float(finite.max(initial=0.0)), 1e-3)
        np.testing.assert_allclose(
            actual[name],
            array,
            rtol=compiled.case.rtol,
            atol=compiled.case.rtol * scale,
            err_msg=f"{compiled.case.name}: {name}",
        )


def assert_matches(function: Function, *shapes: tuple[int, ...], **options: float) -> None:
    """One function against torch at three points."""
    case = Case("function", function, shapes, **options)
    compiled = compile_cases([case])["function"]
    if isinstance(compiled, Exception):
        raise compiled
    for seed in range(3):
        assert_same(compiled, case.inputs(seed))
