"""How a run was made: model, data, method, seed, versions, seconds, work.

Read from the attributes of the tree and the shapes of its groups; what is not there is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.report.runs import Run
from probgen.results.sources import source_text

__all__ = ["Provenance", "provenance", "provenance_of", "source_of"]

MOST_LETTERS = 20_000
"""Of a model's source."""
MOST_OF_A_FACT = 600
DATA_GROUPS = ("observed_data", "constant_data")
# attributes told in words of their own
TOLD = {"versions", "notes", "model_source"}
NAMES = {
    "inference_library": "library",
    "inference_library_version": "library version",
    "method_settings": "settings",
    "gradient_evaluations": "gradient evaluations after warm-up",
    "gradient_evaluations_warmup": "gradient evaluations in warm-up",
}
FLAGS = {"interrupted", "converged", "irreducible"}
"""Truths that files keep as 0 and 1."""
SECONDS = {
    "seconds_trace": "tracing the model",
    "seconds_compile": "compilation",
    "seconds_warmup": "warm-up",
}
ORDER = ("model", "method", "method_settings", "seed", "backend", "engine")


@dataclass(frozen=True)
class Provenance:
    """What is known of the making of one run.

    `facts`, `seconds` and `versions` are pairs of name and text; `data` has name, group, shape
    and range of every data set; `groups` has group, variables and sizes; `source` is the text of
    the model, or "".
    """

    facts: list[tuple[str, str]]
    seconds: list[tuple[str, str]]
    versions: list[tuple[str, str]]
    data: list[tuple[str, str, str, str]]
    groups: list[tuple[str, str, str]]
    source: str


def provenance_of(run: Run, model: Any = None) -> Provenance:
    """Everything known of how a run was made; `model` gives the source if the tree has none."""
    attrs = run.attrs
    source = str(attrs.get("model_source") or _source_if_its_own(model, attrs))
    found = provenance(run.tree, attrs, source)
    if run.verdict.draws:
        found.facts.insert(2, ("chains x draws", f"{run.verdict.chains} x {run.verdict.draws}"))
    return found


def provenance(tree: xr.DataTree, attrs: dict[str, Any], source: str) -> Provenance:
    """What attributes and groups say of the making of a result."""
    ordered = [name for name in ORDER if name in attrs]
    ordered += [name for name in attrs if name not in ordered and name not in TOLD]
    facts = [
        (NAMES.get(name, name.replace("_", " ")), _fact(name, attrs[name]))
        for name in ordered
        if not name.startswith("seconds_")
    ]
    return Provenance(
        facts=facts,
        seconds=[
            (SECONDS.get(name) or name[len("seconds_") :].replace("_", " "), _seconds(attrs[name]))
            for name in attrs
            if name.startswith("seconds_")
        ],
        versions=_versions(attrs.get("versions")),
        data=[row for group in DATA_GROUPS for row in _data(tree, group)],
        groups=[_group(str(name), node) for name, node in tree.children.items()],
        source=source[:MOST_LETTERS],
    )


def _fact(name: str, value: Any) -> str:
    return ("yes" if value else "no") if name in FLAGS else _text(value)


def _source_if_its_own(model: Any, attrs: dict[str, Any]) -> str:
    """The source of `model`, unless the run says that its model has another name."""
    name, recorded = getattr(model, "__name__", None), attrs.get("model")
    return "" if name and recorded and name != recorded else source_of(model)


def source_of(model: Any) -> str:
    """The text of a model given as a function or class; "" where there is none."""
    if model is None:
        return ""
    if isinstance(model, str):
        return model
    text = source_text(model)
    return repr(model) if text is None else text


def _data(tree: xr.DataTree, group: str) -> list[tuple[str, str, str, str]]:
    if group not in tree.children:
        return []
    return [
        (str(name), group, _shape(array), _range(array.values))
        for name, array in tree[group].data_vars.items()
    ]


def _shape(array: xr.DataArray) -> str:
    sizes = ", ".join(f"{dim}: {size}" for dim, size in array.sizes.items())
    return f"{array.dtype} ({sizes})" if sizes else f"{array.dtype}, a single value"


def _range(values: np.ndarray) -> str:
    if values.dtype.kind not in "fiub" or not values.size:
        return str(values)[:80] if values.size == 1 else ""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    missing = values.size - finite.size
    said = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "no finite value"
    return f"{said}, {missing} missing" if missing else said


def _group(name: str, node: xr.DataTree) -> tuple[str, str, str]:
    names = [str(variable) for variable in node.data_vars]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    sizes = list(node.sizes.items())
    text = ", ".join(f"{dim}: {size}" for dim, size in sizes[:8])
    return name, shown, text + (" ..." if len(sizes) > 8 else "")


def _versions(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return [("versions", value)]
    return [(str(k), str(v)) for k, v in value.items()] if isinstance(value, dict) else []


def _seconds(value: Any) -> str:
    try:
        return f"{float(value):.3g} s"
    except (TypeError, ValueError):
        return _text(value)


def _text(value: Any) -> str:
    """A value as text: numbers grouped or rounded, lists in JSON text too, long text cut."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        grouped = f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
        return grouped if abs(int(value)) >= 100_000 else str(int(value))
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.6g}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return _cut(", ".join(_text(each) for each in value))
    if isinstance(value, str) and value.startswith("["):
        try:
            return _text(json.loads(value)) or "none"
        except json.JSONDecodeError:
            return _cut(value)
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_OF_A_FACT else f"{text[:MOST_OF_A_FACT]} ..."
