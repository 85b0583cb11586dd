"""Lowering of element-wise operations: a C++ expression each, simplified where it is free."""

from __future__ import annotations

from typing import Any

import torch

from probgen.compile.ir import DOUBLE, INT, LOGICAL, Graph, View
from probgen.compile.rules.registry import RULES, as_view, broadcast, refuse, rule

aten = torch.ops.aten

_UNARY = {
    "neg": "(-{0})",
    "exp": "std::exp({0})",
    "exp2": "std::exp2({0})",
    "expm1": "std::expm1({0})",
    "log": "std::log({0})",
    "log2": "(std::log({0})*1.4426950408889634)",
    "log10": "(std::log({0})*0.4342944819032518)",
    "log1p": "probgen::log1p({0})",
    "sqrt": "std::sqrt({0})",
    "rsqrt": "(1.0/std::sqrt({0}))",
    "reciprocal": "(1.0/{0})",
    "abs": "probgen::abs({0})",
    "sign": "probgen::sign({0})",
    "sgn": "probgen::sign({0})",
    "sin": "std::sin({0})",
    "cos": "std::cos({0})",
    "tan": "std::tan({0})",
    "asin": "std::asin({0})",
    "acos": "std::acos({0})",
    "atan": "std::atan({0})",
    "sinh": "std::sinh({0})",
    "cosh": "std::cosh({0})",
    "tanh": "std::tanh({0})",
    "asinh": "std::asinh({0})",
    "acosh": "std::acosh({0})",
    "atanh": "std::atanh({0})",
    "erf": "std::erf({0})",
    "erfc": "std::erfc({0})",
    "lgamma": "probgen::lgamma({0})",
    "digamma": "probgen::digamma({0})",
    "floor": "std::floor({0})",
    "ceil": "std::ceil({0})",
    "trunc": "std::trunc({0})",
    "round": "std::nearbyint({0})",
}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LOGIC = {"and": "&", "or": "|", "xor": "^"}


def _register_tables() -> None:
    for name, template in _UNARY.items():
        RULES[getattr(aten, name).default] = _unary(template)
    for name, sign in _COMPARE.items():
        compare = _binary("({0}" + sign + "{1})", LOGICAL)
        RULES[getattr(aten, name).Scalar] = compare
        RULES[getattr(aten, name).Tensor] = compare
    for name, sign in _LOGIC.items():
        logic = _binary("({0}" + sign + "{1})", LOGICAL)
        RULES[getattr(aten, f"logical_{name}").default] = logic
        RULES[getattr(aten, f"bitwise_{name}").Tensor] = logic
    for operation in (aten.isnan.default, aten.isinf.default, aten.isfinite.default):
        name = operation._schema.name.split("::")[1]
        RULES[operation] = _unary("probgen::" + name + "({0})", LOGICAL)


def _unary(template: str, dtype: str | None = None) -> Any:
    def lower(graph: Graph, x: View) -> View:
        kept = INT if x.dtype == INT and template in ("(-{0})", "probgen::abs({0})") else DOUBLE
        return graph.pointwise(template, (x,), dtype or kept)

    return lower


def _binary(template: str, dtype: str) -> Any:
    def lower(graph: Graph, a: Any, b: Any) -> View:
        return graph.pointwise(template, broadcast(graph, (a, b)), dtype)

    return lower


def _arithmetic(graph: Graph, template: str, a: View, b: View) -> View:
    both = a.dtype in (INT, LOGICAL) and b.dtype in (INT, LOGICAL)
    return graph.pointwise(template, (a, b), INT if both else DOUBLE)


def multiply(graph: Graph, a: Any, b: Any) -> View:
    """Product with multiplications by one left out."""
    x, y = broadcast(graph, (a, b))
    if y.literal == 1 and x.dtype == DOUBLE:
        return x
    if x.literal == 1 and y.dtype == DOUBLE:
        return y
    return _arithmetic(graph, "({0}*{1})", x, y)


@rule(aten.mul.Tensor, aten.mul.Scalar)
def _mul(graph: Graph, a: Any, b: Any) -> View:
    return multiply(graph, a, b)


@rule(aten.add.Tensor, aten.add.Scalar)
def _add(graph: Graph, a: Any, b: Any, alpha: float = 1) -> View:
    x, y = broadcast(graph, (a, multiply(graph, b, alpha) if alpha != 1 else b))
    if y.literal == 0 and x.dtype == DOUBLE:
        return x
    if x.literal == 0 and y.dtype == DOUBLE:
        return y
    return _arithmetic(graph, "({0}+{1})", x, y)


@rule(aten.sub.Tensor, aten.sub.Scalar)
def _sub(graph: Graph, a: Any, b: Any, alpha: float = 1) -> View:
    x, y = broadcast(graph, (a, multiply(graph, b, alpha) if alpha != 1 else b))
    if y.literal == 0 and x.dtype == DOUBLE:
        return x
    return _arithmetic(graph, "({0}-{1})", x, y)


@rule(aten.rsub.Tensor, aten.rsub.Scalar)
def _rsub(graph: Graph, a: Any, b: Any, alpha: float = 1) -> View:
    return _sub(graph, b, a, alpha)


@rule(aten.div.Tensor, aten.div.Scalar)
def _div(graph: Graph, a: Any, b: Any) -> View:
    x, y = broadcast(graph, (a, b))
    if y.literal is not None and y.literal != 0:
        return multiply(graph, x, 1.0 / y.literal)
    return graph.pointwise("({0}/double({1}))", (x, y))


@rule(aten.div.Tensor_mode, aten.div.Scalar_mode)
def _div_mode(graph: Graph, a: Any, b: Any, rounding_mode: str | None = None) -> View:
    quotient = graph.pointwise("({0}/double({1}))", broadcast(graph, (a, b)))
    if rounding_mode is None:
        return quotient
    return graph.pointwise(_UNARY[rounding_mode], (quotient,))


@rule(aten.pow.Tensor_Scalar)
def _power(graph: Graph, x: View, exponent: float) -> View:
    exact = {
        1: "{0}", 2: "({0}*{0})", 3: "({0}*{0}*{0})", 4: "probgen::square({0}*{0})",
        0.5: "std::sqrt({0})", -1: "(1.0/{0})", -2: "(1.0/({0}*{0}))",
        -0.5: "(1.0/std::sqrt({0}))", 1.5: "({0}*std::sqrt({0}))",
    }
    if exponent == 0:
        return graph.number(1.0).expand(x.shape)
    if exponent == 1:
        return x
    if exponent in exact:
        return graph.pointwise(exact[exponent], (x,))
    return graph.pointwise("std::pow(double({0}),double({1}))", broadcast(graph, (x, exponent)))


@rule(aten.pow.Tensor_Tensor, aten.pow.Scalar)
def _power_tensor(graph: Graph, x: Any, y: Any) -> View:
    return graph.pointwise("std::pow(double({0}),double({1}))", broadcast(graph, (x, y)))


@rule(aten.maximum.default)
def _maximum(graph: Graph, a: Any, b: Any) -> View:
    return graph.pointwise("probgen::maximum({0},{1})", broadcast(graph, (a, b)))


@rule(aten.minimum.default)
def _minimum(graph: Graph, a: Any, b: Any) -> View:
    return graph.pointwise("probgen::minimum({0},{1})", broadcast(graph, (a, b)))


@rule(aten.clamp_min.default, aten.clamp_min.Tensor)
def _clamp_min(graph: Graph, x: View, low: Any) -> View:
    return _maximum(graph, x, low)


@rule(aten.clamp_max.default, aten.clamp_max.Tensor)
def _clamp_max(graph: Graph, x: View, high: Any) -> View:
    return _minimum(graph, x, high)


@rule(aten.clamp.default, aten.clamp.Tensor)
def _clamp(graph: Graph, x: View, min: Any = None, max: Any = None) -> View:
    low = x if min is None else _maximum(graph, x, min)
    return low if max is None else _minimum(graph, low, max)


@rule(aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf, aten.where.Scalar)
def _where(graph: Graph, condition: View, a: Any, b: Any) -> View:
    views = broadcast(graph, (condition, a, b))
    if views[0].literal is not None:
        return views[1] if views[0].literal else views[2]
    whole = all(view.dtype in (INT, LOGICAL) for view in views[1:])
    return graph.pointwise("({0}?{1}:{2})", views, INT if whole else DOUBLE)


@rule(aten.logical_not.default, aten.bitwise_not.default)
def _not(graph: Graph, x: View) -> View:
    if x.dtype != LOGICAL:
        raise refuse("bitwise_not of integers")
    return graph.pointwise("(!{0})", (x,), LOGICAL)


@rule(aten.full_like.default)
def _full_like(graph: Graph, x: View, value: float, **_: Any) -> View:
    return as_view(graph, float(value)).expand(x.shape)


@rule(aten.fill.Scalar, aten.fill.Tensor)
def _fill(graph: Graph, x: View, value: Any) -> View:
    return as_view(graph, value).expand(x.shape)


@rule(aten.zeros_like.default)
def _zeros_like(graph: Graph, x: View, **_: Any) -> View:
    return graph.number(0.0).expand(x.shape)


@rule(aten.ones_like.default)
def _ones_like(graph: Graph, x: View, **_: Any) -> View:
    return graph.number(1.0).expand(x.shape)


@rule(aten.copy.default)
def _copy(graph: Graph, x: View, source: View, non_blocking: bool = False) -> View:
    return source.expand(x.shape)


_register_tables()
