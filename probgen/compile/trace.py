"""A torch function to a flat graph of ATen operations, with its gradient beside it.

The function is run once on example inputs, with `torch.autograd.grad` inside, while a recorder
notes the operations (torch.func's transforms cannot pass Pyro's enumeration, and make_fx takes
seconds to import). Shapes are static. What depends on data alone is computed here and now and
becomes a constant of the graph. Random operations and control flow that looks at traced values
cannot be traced: `UnsupportedOperation` says which, and where in the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from probgen.compile.compositions import COMPOSITIONS
from probgen.compile.forms import FORMS
from probgen.compile.location import raised_line
from probgen.compile.operations import REPLACED
from probgen.compile.placements import PLACEMENTS
from probgen.compile.record import Recorder, unreadable
from probgen.compile.rules import RULES
from probgen.compile.tape import Node, Tape
from probgen.errors import ProbgenError, UnsupportedOperation

__all__ = ["TracedGraph", "trace_with_gradient"]

Traceable = Callable[..., tuple[torch.Tensor, Mapping[str, torch.Tensor]]]


@dataclass
class TracedGraph:
    """A traced function: its graph, its constants and the names of its outputs.

    `graph` holds the inputs ("placeholder" nodes, whose `example` is what they were), the
    constants ("get_attr" nodes, the keys of `constants`) and the operations that the outputs
    need, in order. `outputs` are nodes by name: first "value", then "grad:i" for every input
    i, then what the function returned beside its value.
    """

    graph: Tape
    inputs: list[Node]
    constants: dict[Node, torch.Tensor]
    outputs: dict[str, Node]


def trace_with_gradient(function: Traceable, examples: Sequence[torch.Tensor]) -> TracedGraph:
    """Trace `function(*inputs) -> (scalar, {name: tensor})` together with its gradient.

    Raises `UnsupportedOperation` with the reason when the function cannot be traced.
    """
    leaves = [example.detach().clone().requires_grad_() for example in examples]
    recorder = Recorder(RULES, {**COMPOSITIONS, **PLACEMENTS, **FORMS})
    for leaf in leaves:
        recorder.add_input(leaf)
    try:
        with torch.enable_grad(), _Above(recorder), recorder:
            results = _value_and_gradient(function, leaves)
        outputs = {name: recorder.memory.node_of(result) for name, result in results.items()}
    except ProbgenError:
        raise
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnsupportedOperation(
            f"{raised_line(error)}cannot be traced: {text[:300]}"
        ) from error
    traced = TracedGraph(recorder.graph, recorder.inputs, recorder.memory.constants, outputs)
    _drop_unused(traced)
    _refuse_random(traced)
    return traced


class _Above(TorchFunctionMode):
    """What is caught above the operations, where Python calls torch.

    Reading the numbers of a traced tensor without an operation is refused; a few functions run
    in a form of our own.
    """

    _READS = (torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__)

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self._READS and self._recorder.memory.traces(args[0]):
            raise unreadable()
        return REPLACED.get(func, func)(*args, **(kwargs or {}))


def _value_and_gradient(
    function: Traceable, leaves: Sequence[torch.Tensor]
) -> dict[str, torch.Tensor]:
    value, extras = function(*leaves)
    if value.requires_grad and leaves:
        gradients = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    else:
        gradients = tuple(torch.zeros_like(leaf) for leaf in leaves)
    named = {f"grad:{i}": gradient for i, gradient in enumerate(gradients)}
    return {"value": value, **named, **extras}


def _drop_unused(traced: TracedGraph) -> None:
    traced.graph.keep({*traced.inputs, *traced.outputs.values()})
    kept = set(traced.graph.nodes)
    for node in [node for node in traced.constants if node not in kept]:
        del traced.constants[node]


def _refuse_random(traced: TracedGraph) -> None:
    for node in traced.graph.nodes:
        target = node.target
        if not isinstance(target, torch._ops.OpOverload):
            continue
        if torch.Tag.nondeterministic_seeded in target.tags:
            raise UnsupportedOperation(
                f"{node.where}draws random numbers itself ({target.name()}), "
                "which a compiled density would freeze; declare them with pyro.sample"
            )
