"""A torch function to a flat graph of ATen operations, with its gradient beside it.

The function is run once on example inputs under `make_fx`, with `torch.autograd.grad` inside
(torch.func's transforms cannot pass Pyro's enumeration). Shapes are static. What depends on
data alone is computed here and now and becomes a constant of the graph. Random operations and
control flow that looks at values cannot be traced: `UnsupportedOperation` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from probgen.errors import ProbgenError, UnsupportedOperation

__all__ = ["TracedGraph", "trace_with_gradient"]

aten = torch.ops.aten
Traceable = Callable[..., tuple[torch.Tensor, Mapping[str, torch.Tensor]]]


@dataclass
class TracedGraph:
    """A traced function: its graph, its constants and the names of its outputs.

    `outputs` are nodes of the graph (or tensors, where an output is constant) by name: first
    "value", then "grad:i" for every input i, then what the function returned beside its value.
    """

    module: torch.fx.GraphModule
    inputs: list[torch.fx.Node]
    constants: dict[torch.fx.Node, torch.Tensor]
    outputs: dict[str, torch.fx.Node]


def trace_with_gradient(function: Traceable, examples: Sequence[torch.Tensor]) -> TracedGraph:
    """Trace `function(*inputs) -> (scalar, {name: tensor})` together with its gradient.

    Raises `UnsupportedOperation` with the reason when the function cannot be traced.
    """
    names: list[str] = []

    def value_and_gradient(*inputs: torch.Tensor) -> list[torch.Tensor]:
        leaves = [item.detach().requires_grad_() for item in inputs]
        with torch.enable_grad():
            value, extras = function(*leaves)
            if value.requires_grad:
                gradients = torch.autograd.grad(
                    value, leaves, allow_unused=True, materialize_grads=True
                )
            else:
                gradients = tuple(torch.zeros_like(leaf) for leaf in leaves)
        names[:] = ["value", *(f"grad:{i}" for i in range(len(leaves))), *extras]
        return [value.detach(), *gradients, *(extra.detach() for extra in extras.values())]

    try:
        module = make_fx(value_and_gradient, _decompositions())(*examples)
        if _mutates(module):
            pure = torch.func.functionalize(module, remove="mutations")
            module = make_fx(pure, _decompositions())(*examples)
    except ProbgenError:
        raise
    except Exception as error:
        raise UnsupportedOperation(_reason(error)) from error
    module.graph.eliminate_dead_code()
    _refuse_random(module)
    return _fold(module, names)


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "data-dependent" in str(error) or "aten._local_scalar_dense" in str(error):
        text = (
            "the program looks at random values in Python (an `if`, a `while`, `.item()` or "
            "a comparison); torch.where keeps it traceable"
        )
    return f"it cannot be traced: {text[:300]}"


def _mutates(module: torch.fx.GraphModule) -> bool:
    return any(
        node.op == "call_function"
        and isinstance(node.target, torch._ops.OpOverload)
        and node.target._schema.is_mutable
        for node in module.graph.nodes
    )


def _refuse_random(module: torch.fx.GraphModule) -> None:
    for node in module.graph.nodes:
        target = node.target
        if isinstance(target, torch._ops.OpOverload) and (
            torch.Tag.nondeterministic_seeded in target.tags
        ):
            raise UnsupportedOperation(
                f"the program draws random numbers itself ({target.name()}), which a compiled "
                "density would freeze; declare them with pyro.sample"
            )


def _fold(module: torch.fx.GraphModule, names: list[str]) -> TracedGraph:
    """Evaluate every node that does not depend on the inputs."""
    constants: dict[torch.fx.Node, torch.Tensor] = {}
    inputs: list[torch.fx.Node] = []
    outputs: dict[str, torch.fx.Node] = {}
    with torch.no_grad():
        for node in module.graph.nodes:
            if node.op == "placeholder":
                inputs.append(node)
            elif node.op == "get_attr":
                constants[node] = _attribute(module, node.target).detach()
            elif node.op == "output":
                outputs = dict(zip(names, node.args[0], strict=True))
            elif all(parent in constants for parent in node.all_input_nodes):
                arguments = torch.fx.node.map_arg(node.args, constants.__getitem__)
                options = torch.fx.node.map_arg(node.kwargs, constants.__getitem__)
                constants[node] = node.target(*arguments, **options)
    return TracedGraph(module, inputs, constants, outputs)


def _attribute(module: torch.nn.Module, path: str) -> torch.Tensor:
    found: object = module
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, torch.Tensor):
        raise UnsupportedOperation(f"the graph holds {type(found).__name__}, not a tensor")
    return found


def _decompositions() -> dict:
    table = dict(torch._decomp.core_aten_decompositions())
    table.update(_ONE_EXPONENTIAL)
    for operation in _KEPT:
        for overload in operation.overloads():
            table.pop(getattr(operation, overload), None)
    return table


# Operations that have a lowering rule of their own, better than their decomposition.
_KEPT = (aten.select_backward, aten.slice_backward)


def _exp_minus_abs(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(-torch.abs(x))


def _sigmoid(x: torch.Tensor) -> torch.Tensor:
    small = _exp_minus_abs(x)
    return torch.where(x >= 0, 1.0, small) / (1.0 + small)


def _softplus(x, beta=1, threshold=20):
    return (torch.clamp_min(x * beta, 0) + torch.log1p(_exp_minus_abs(x * beta))) / beta


def _softplus_backward(grad_output, x, beta, threshold):
    return grad_output * _sigmoid(x * beta)


def _log_sigmoid_forward(x):
    return torch.clamp_max(x, 0) - torch.log1p(_exp_minus_abs(x)), torch.zeros(0)


def _log_sigmoid_backward(grad_output, x, buffer):
    return grad_output * _sigmoid(-x)


def _bernoulli_logits(x, target, weight=None, pos_weight=None, reduction=1):
    if weight is not None or pos_weight is not None:
        raise UnsupportedOperation("weighted binary cross entropy has no lowering rule")
    loss = torch.clamp_min(x, 0) - x * target + torch.log1p(_exp_minus_abs(x))
    return {0: loss, 1: loss.mean(), 2: loss.sum()}[reduction]


# The numerically good forms of the logistic family share one exponential, exp(-|x|), between
# value and gradient: half the cost of torch's own forms in a fused loop.
_ONE_EXPONENTIAL = {
    aten.sigmoid.default: _sigmoid,
    aten.softplus.default: _softplus,
    aten.softplus_backward.default: _softplus_backward,
    aten.log_sigmoid_forward.default: _log_sigmoid_forward,
    aten.log_sigmoid_backward.default: _log_sigmoid_backward,
    aten.binary_cross_entropy_with_logits.default: _bernoulli_logits,
}
