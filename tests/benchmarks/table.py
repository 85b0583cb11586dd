"""Records to Markdown: one table of measurements per model, and one of ratios for all.

Every number is the median over seeds of the successful records of one tool and model.
"""

from collections.abc import Iterable, Sequence
from statistics import median

from .convergence import largest_z
from .harness import CONTROL
from .models import MODELS
from .outcome import Run
from .worker import Record

COLUMNS = (
    "tool",
    "chains x (warm-up + draws)",
    "CPU s",
    "us per gradient",
    "gradients",
    "ESS bulk",
    "ESS tail",
    "bulk / CPU s",
    "tail / CPU s",
    "R-hat",
    "divergences",
    "compile CPU s (wall)",
    "largest z of means",
)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it also reads well as plain text."""
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def measurements(records: list[Record], model: str) -> str:
    """One row per tool: what it did on this model, how long it took, and how well it mixed."""
    tools = list(dict.fromkeys(record["tool"] for record in records))
    reference = _reference(records, model, tools)
    rows = [_row(_of(records, tool, model), reference) for tool in tools]
    return markdown(COLUMNS, [row for row in rows if row])


def ratios(records: list[Record], models: Sequence[str]) -> str:
    """How many times more effective draws per CPU second probgen makes than each peer."""
    tools = dict.fromkeys(record["tool"] for record in records)
    peers = [tool for tool in tools if not tool.startswith("probgen")]
    rows = []
    for model in models:
        ours, control = rate(records, "probgen", model), rate(records, CONTROL, model)
        theirs = {peer: rate(records, peer, model) for peer in peers}
        best = max(theirs, key=lambda peer: theirs[peer] or 0.0, default=None)
        cells = [_times(ours, theirs[peer]) for peer in peers]
        best_cell = f"{_times(ours, theirs[best])} ({best})" if best and theirs[best] else "-"
        goal = f"{MODELS[model].goal:g}x"
        title = f"{model} {MODELS[model].title}"
        rows.append([title, *cells, best_cell, goal, _times(ours, control)])
    return markdown(["model", *peers, "best peer", "goal", "control"], rows)


def rate(records: list[Record], tool: str, model: str, ess: str = "ess_bulk") -> float | None:
    """Median effective draws per CPU second; ``None`` when nothing was measured."""
    measured = [record for record in _of(records, tool, model) if record["status"] == "ok"]
    return median(record[ess] / record["cpu"] for record in measured) if measured else None


def versions(records: list[Record]) -> str:
    """Every package that was loaded, with its version."""
    found: dict[str, str] = {}
    for record in records:
        found |= record.get("versions", {})
    return ", ".join(f"{package} {found[package]}" for package in sorted(found))


def _of(records: list[Record], tool: str, model: str) -> list[Record]:
    return [record for record in records if (record["tool"], record["model"]) == (tool, model)]


def _reference(records: list[Record], model: str, tools: list[str]) -> dict[str, list[Record]]:
    """For every tool the records to compare its means with: the next tool's, of the full runs."""
    full: dict[str, list[Record]] = {}
    for tool in tools:
        done = [record for record in _of(records, tool, model) if record["status"] == "ok"]
        if done and done[0]["run"]["chains"] > 1:
            full[tool] = done
    families = {tool: next((f for f in ("probgen", "numpyro") if f in tool), tool) for tool in full}
    chosen = {}
    for tool in full:
        others = [other for other in full if families[other] != families[tool]]
        if others:
            chosen[tool] = full[others[0]]
    return chosen


def _row(records: list[Record], reference: dict[str, list[Record]]) -> list[str]:
    if not records:
        return []
    measured = [record for record in records if record["status"] == "ok"]
    tool = records[0]["tool"]
    if not measured:
        return [tool, records[0]["status"].replace("|", "/")] + [""] * (len(COLUMNS) - 2)

    def middle(value):
        return median(map(value, measured))

    cpu_compile = max(record["cpu_compile"] for record in measured)
    wall_compile = max(record["wall_compile"] for record in measured)
    failed = f" ({len(records) - len(measured)} failed)" if len(measured) < len(records) else ""
    return [
        tool + failed,
        str(Run(**measured[0]["run"])),
        f"{middle(lambda r: r['cpu']):.3g}",
        _microseconds(measured),
        _gradients(measured),
        f"{middle(lambda r: r['ess_bulk']):.0f}",
        f"{middle(lambda r: r['ess_tail']):.0f}",
        f"{middle(lambda r: r['ess_bulk'] / r['cpu']):,.4g}",
        f"{middle(lambda r: r['ess_tail'] / r['cpu']):,.4g}",
        f"{middle(lambda r: r['rhat']):.3f}",
        f"{middle(lambda r: r['divergences']):.0f}",
        f"{cpu_compile:.1f} ({wall_compile:.1f})",
        f"{largest_z(measured, reference[tool]):.1f}" if tool in reference else "-",
    ]


def _gradients(measured: list[Record]) -> str:
    draws = f"{median(r['gradients'] for r in measured):.0f}"
    if measured[0]["gradients_warmup"] is None:
        return f"? + {draws}"
    return f"{median(r['gradients_warmup'] for r in measured):.0f} + {draws}"


def _microseconds(measured: list[Record]) -> str:
    if measured[0]["gradients_warmup"] is None:
        return "?"
    each = [r["cpu"] / (r["gradients_warmup"] + r["gradients"]) for r in measured]
    return f"{median(each) * 1e6:.3g}"


def _times(ours: float | None, theirs: float | None) -> str:
    return f"{ours / theirs:.3g}x" if ours and theirs else "-"
