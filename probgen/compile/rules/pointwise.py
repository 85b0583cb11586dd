"""Lowering of element-wise operations: a C++ expression each, simplified where it is free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probgen.compile.data import LARGE
from probgen.compile.ir import DOUBLE, INT, LOGICAL, Graph, View
from probgen.compile.rules.registry import RULES, as_view, broadcast, rule
from probgen.compile.rules.writing import add_parts

aten = torch.ops.aten

_UNARY = {
    "neg": "(-{0})",
    "exp": "exp({0})",
    "exp2": "exp2({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log2": "(log({0})*1.4426950408889634)",
    "log10": "(log({0})*0.4342944819032518)",
    "log1p": "log1p({0})",
    "sqrt": "probgen::sqrt({0})",
    "rsqrt": "(1.0/probgen::sqrt({0}))",
    "reciprocal": "(1.0/{0})",
    "abs": "probgen::abs({0})",
    "sign": "probgen::sign({0})",
    "sgn": "probgen::sign({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "tan": "tan({0})",
    "asin": "asin({0})",
    "acos": "acos({0})",
    "atan": "atan({0})",
    "sinh": "sinh({0})",
    "cosh": "cosh({0})",
    "tanh": "tanh({0})",
    "asinh": "asinh({0})",
    "acosh": "acosh({0})",
    "atanh": "atanh({0})",
    "erf": "erf({0})",
    "erfc": "erfc({0})",
    "erfinv": "probgen::erfinv({0})",
    "special_erfcx": "probgen::erfcx({0})",
    "special_ndtri": "probgen::ndtri({0})",
    "lgamma": "probgen::lgamma({0})",
    "digamma": "probgen::digamma({0})",
    "i0": "probgen::i0({0})",
    "special_i0e": "probgen::i0e({0})",
    "special_i1": "probgen::i1({0})",
    "special_i1e": "probgen::i1e({0})",
    "floor": "probgen::floor({0})",
    "ceil": "probgen::ceil({0})",
    "trunc": "probgen::trunc({0})",
    "round": "probgen::round({0})",
    "relu": "probgen::maximum({0},0.0)",
}
_BINARY = {
    "atan2": "atan2({0},{1})",
    "copysign": "__builtin_copysign({0},{1})",
    "hypot": "hypot({0},{1})",
    "fmax": "({0}!={0}||{1}>{0}?{1}:{0})",
    "fmin": "({0}!={0}||{1}<{0}?{1}:{0})",
}
_TESTS = {
    "isnan": "probgen::isnan({0})",
    "isinf": "probgen::isinf({0})",
    "logical_not": "(!{0})",
}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LOGIC = {"and": "&", "or": "|", "xor": "^"}


def _register_tables() -> None:
    for name, template in _UNARY.items():
        RULES.setdefault(getattr(aten, name).default, _unary(template))
    for name, template in _BINARY.items():
        overload = "Tensor" if name == "copysign" else "default"
        RULES[getattr(getattr(aten, name), overload)] = _binary(template, DOUBLE)
    for name, template in _TESTS.items():
        RULES[getattr(aten, name).default] = _unary(template, LOGICAL)
    for name, sign in _COMPARE.items():
        compare = _binary("({0}" + sign + "{1})", LOGICAL)
        RULES[getattr(aten, name).Scalar] = compare
        RULES[getattr(aten, name).Tensor] = compare
    for name, sign in _LOGIC.items():
        RULES[getattr(aten, f"logical_{name}").default] = _logical(sign)
        RULES[getattr(aten, f"bitwise_{name}").Tensor] = _bitwise(sign)
        RULES[getattr(aten, f"bitwise_{name}").Scalar] = _bitwise(sign)


def _unary(template: str, dtype: str | None = None) -> Any:
    def lower(graph: Graph, x: View) -> View:
        kept = INT if x.dtype == INT and template in ("(-{0})", "probgen::abs({0})") else DOUBLE
        return graph.pointwise(template, (x,), dtype or kept)

    return lower


@rule(aten.log.default)
def _log(graph: Graph, x: View) -> View:
    exponent = graph.operand(x, _UNARY["exp"])  # log(exp(x)) is common: scales on the log scale
    return graph.pointwise(_UNARY["log"], (x,)) if exponent is None else exponent


def _binary(template: str, dtype: str) -> Any:
    def lower(graph: Graph, a: Any, b: Any) -> View:
        return graph.pointwise(template, broadcast(graph, (a, b)), dtype)

    return lower


def _truth(graph: Graph, x: View) -> View:
    return x if x.dtype == LOGICAL else graph.pointwise("({0}!=0)", (x,), LOGICAL)


def _logical(sign: str) -> Any:
    def lower(graph: Graph, a: View, b: View) -> View:
        views = broadcast(graph, (_truth(graph, a), _truth(graph, b)))
        return graph.pointwise("({0}" + sign + "{1})", views, LOGICAL)

    return lower


def _bitwise(sign: str) -> Any:
    def lower(graph: Graph, a: View, b: Any) -> View:
        views = broadcast(graph, (a, b))
        return graph.pointwise("({0}" + sign + "{1})", views, _joint_type(views))

    return lower


def _joint_type(views: Sequence[View]) -> str:
    kinds = {view.dtype for view in views}
    return DOUBLE if DOUBLE in kinds else INT if INT in kinds else LOGICAL


def _arithmetic(graph: Graph, sign: str, a: View, b: View) -> View:
    kind = _joint_type((a, b))
    if kind == LOGICAL:  # as in torch, the sum of truths is "or", their product "and"
        sign = {"+": "|", "*": "&"}[sign]
    return graph.pointwise("({0}" + sign + "{1})", (a, b), kind)


def multiply(graph: Graph, a: Any, b: Any) -> View:
    """Product with multiplications by one left out."""
    x, y = broadcast(graph, (a, b))
    if y.literal == 1 and x.dtype == DOUBLE:
        return x
    if x.literal == 1 and y.dtype == DOUBLE:
        return y
    return _arithmetic(graph, "*", x, y)


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
    return add_parts(graph, x, y) or _arithmetic(graph, "+", x, y)


@rule(aten.sub.Tensor, aten.sub.Scalar)
def _sub(graph: Graph, a: Any, b: Any, alpha: float = 1) -> View:
    x, y = broadcast(graph, (a, multiply(graph, b, alpha) if alpha != 1 else b))
    if y.literal == 0 and x.dtype == DOUBLE:
        return x
    return _arithmetic(graph, "-", x, y)


@rule(aten.rsub.Scalar)
def _rsub(graph: Graph, a: Any, b: Any, alpha: float = 1) -> View:
    return _sub(graph, b, a, alpha)


@rule(aten.div.Tensor, aten.div.Scalar)
def _div(graph: Graph, a: Any, b: Any) -> View:
    x, y = broadcast(graph, (a, b))
    if y.literal is not None and y.literal != 0:
        return multiply(graph, x, 1.0 / y.literal)
    return graph.pointwise("({0}/double({1}))", (x, y))


@rule(aten.div.Tensor_mode)
def _div_mode(graph: Graph, a: Any, b: Any, rounding_mode: str | None = None) -> View:
    quotient = graph.pointwise("({0}/double({1}))", broadcast(graph, (a, b)))
    if rounding_mode is None:
        return quotient
    return graph.pointwise(_UNARY[rounding_mode], (quotient,))


@rule(aten.pow.Tensor_Scalar)
def _power(graph: Graph, x: View, exponent: float) -> View:
    exact = {
        1: "{0}",
        2: "({0}*{0})",
        3: "({0}*{0}*{0})",
        4: "probgen::square({0}*{0})",
        0.5: "probgen::sqrt({0})",
        -1: "(1.0/{0})",
        -2: "(1.0/({0}*{0}))",
        -0.5: "(1.0/probgen::sqrt({0}))",
        1.5: "({0}*probgen::sqrt({0}))",
    }
    if exponent == 0:
        return graph.number(1.0).expand(x.shape)
    if exponent == 1:
        return x
    if exponent in exact:
        return graph.pointwise(exact[exponent], (x,))
    return graph.pointwise("pow(double({0}),double({1}))", broadcast(graph, (x, exponent)))


@rule(aten.pow.Tensor_Tensor, aten.pow.Scalar)
def _power_tensor(graph: Graph, x: Any, y: Any) -> View:
    base, exponent = broadcast(graph, (x, y))
    table = _data(exponent)
    if table is not None and table.size >= 8 and (table == np.rint(table)).all():
        bits = int(np.abs(table).max()).bit_length()
        if bits <= 6 and base.dtype == DOUBLE:
            whole = _in_integers(graph, exponent)
            return graph.pointwise(f"probgen::whole_power<{bits}>({{0}},{{1}})", (base, whole))
    return graph.pointwise("pow(double({0}),double({1}))", (base, exponent))


def _data(view: View) -> np.ndarray | None:
    """The small table that `view` reads, if it does."""
    node = view.node
    return node.attributes[0] if node.kind == "constant" and node.size < LARGE else None


def _in_integers(graph: Graph, view: View) -> View:
    """The same reading of a table of integers."""
    whole = graph.data(view.node.attributes[0].astype(np.int32))
    return whole.restride(view.shape, view.strides, view.offset)


@rule(aten.maximum.default)
def _maximum(graph: Graph, a: Any, b: Any) -> View:
    return graph.pointwise("probgen::maximum({0},{1})", broadcast(graph, (a, b)))


@rule(aten.minimum.default)
def _minimum(graph: Graph, a: Any, b: Any) -> View:
    return graph.pointwise("probgen::minimum({0},{1})", broadcast(graph, (a, b)))


@rule(aten.clamp_min.default)
def _clamp_min(graph: Graph, x: View, low: Any) -> View:
    return _maximum(graph, x, low)


@rule(aten.clamp_max.default)
def _clamp_max(graph: Graph, x: View, high: Any) -> View:
    return _minimum(graph, x, high)


@rule(aten.clamp.default, aten.clamp.Tensor)
def _clamp(graph: Graph, x: View, min: Any = None, max: Any = None) -> View:
    low = x if min is None else _maximum(graph, x, min)
    return low if max is None else _minimum(graph, low, max)


@rule(aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf, aten.where.Scalar)
def where(graph: Graph, condition: View, a: Any, b: Any) -> View:
    """`a` where the condition holds, else `b`."""
    views = broadcast(graph, (condition, a, b))
    if views[0].literal is not None:
        return views[1] if views[0].literal else views[2]
    chosen = views[1:]
    return graph.pointwise(
        "({0}?{1}:{2})", (_selector(graph, views[0]), *chosen), _joint_type(chosen)
    )


def _selector(graph: Graph, condition: View) -> View:
    """Truth values that are data as integers: by bytes, GCC does not vectorise the choice."""
    known = condition.dtype == LOGICAL and _data(condition) is not None
    return _in_integers(graph, condition) if known else condition


@rule(aten.bitwise_not.default)
def _not(graph: Graph, x: View) -> View:
    return graph.pointwise("(!{0})" if x.dtype == LOGICAL else "(~{0})", (x,), x.dtype)


@rule(aten.fill.Scalar, aten.fill.Tensor)
def _fill(graph: Graph, x: View, value: Any) -> View:
    if x.dtype == DOUBLE and not isinstance(value, View):
        value = float(value)  # a whole number must not make integers of the rest
    return as_view(graph, value).expand(x.shape)


@rule(aten.remainder.Tensor, aten.remainder.Scalar)
def _remainder(graph: Graph, a: View, b: Any) -> View:
    views = broadcast(graph, (a, b))
    if _joint_type(views) == INT:
        return graph.pointwise("probgen::remainder({0},{1})", views, INT)
    return graph.pointwise("probgen::remainder(double({0}),double({1}))", views)


@rule(aten.fmod.Tensor, aten.fmod.Scalar)
def _fmod(graph: Graph, a: View, b: Any) -> View:
    return graph.pointwise("fmod({0},{1})", broadcast(graph, (a, b)))


def triangle(keep: Any) -> Any:
    """The rule of tril or triu, given NumPy's."""

    def lower(graph: Graph, x: View, k: int = 0) -> View:
        mask = graph.constant(keep(np.ones(x.shape[-2:], dtype=bool), k))
        return where(graph, mask, x, 0.0)

    return lower


rule(aten.tril.default)(triangle(np.tril))
rule(aten.triu.default)(triangle(np.triu))


_register_tables()
