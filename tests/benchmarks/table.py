"""Records to Markdown: one table of measurements per model, and one of ratios for all.

Every number is the median over seeds of the successful records of one tool on one model.
"""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from .convergence import largest_z
from .harness import CONTROL, SINGLE_PRECISION
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
    "largest z",
)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it also reads well as plain text."""
    table = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    padded = [map(str.ljust, row, widths) for row in table]
    lines = [f"| {' | '.join(row)} |" for row in padded]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def measurements(records: list[Record], model: str) -> str:
    """One row per tool, and below the table a line for every measurement that failed."""
    here = [record for record in records if record["model"] == model]
    by_tool: dict[str, list[Record]] = {}
    for record in here:
        if record["status"] == "ok":
            by_tool.setdefault(record["tool"], []).append(record)
    order = sorted(by_tool, key=list(dict.fromkeys(r["tool"] for r in here)).index)
    rows = [_row(by_tool[tool], _others(by_tool, tool)) for tool in order]
    failures = dict.fromkeys(
        f"- {record['tool']}: {record['status']}" for record in here if record["status"] != "ok"
    )
    return "\n\n".join(filter(None, [markdown(COLUMNS, rows), "\n".join(failures)]))


def ratios(records: list[Record], models: Sequence[str], ess: str = "ess_bulk") -> str:
    """How many times more effective draws per CPU second probgen makes than each tool.

    The best peer is sought among those in double precision, as probgen is; goals are of bulk ESS.
    """
    tools = [tool for tool in dict.fromkeys(r["tool"] for r in records) if tool != "probgen"]
    peers = [t for t in tools if not t.startswith("probgen") and t != SINGLE_PRECISION]
    rows = []
    for model in models:
        ours = rate(records, "probgen", model, ess)
        rates = {tool: rate(records, tool, model, ess) for tool in tools}
        best = max(peers, key=lambda peer: rates[peer] or 0.0, default="")
        rows.append(
            [
                f"{model} {MODELS[model].title}",
                *(_times(ours, rates[tool]) for tool in tools),
                f"{_times(ours, rates.get(best))} {best}" if ours and rates.get(best) else "-",
                f"{MODELS[model].goal:g}x" if ess == "ess_bulk" else "-",
            ]
        )
    return markdown(["model", *tools, "best peer", "goal"], rows)


def rate(records: list[Record], tool: str, model: str, ess: str) -> float | None:
    """Median effective draws per CPU second; ``None`` when nothing was measured."""
    rates = [
        record[ess] / record["cpu"]
        for record in records
        if (record["tool"], record["model"], record["status"]) == (tool, model, "ok")
    ]
    return median(rates) if rates else None


def control_spread(records: list[Record], models: Sequence[str]) -> str:
    """The spread over seeds of probgen and its control: what a ratio of one means here."""
    lines = []
    for model in models:
        rates = [
            record["ess_bulk"] / record["cpu"]
            for record in records
            if record["tool"] in ("probgen", CONTROL)
            and (record["model"], record["status"]) == (model, "ok")
        ]
        if len(rates) > 1:
            lines.append(f"{model} {_three_digits(min(rates))} to {_three_digits(max(rates))}")
    return "; ".join(lines)


def versions(records: list[Record]) -> str:
    """Every package that was measured, with its version."""
    found: dict[str, str] = {}
    for record in records:
        found |= record.get("versions", {})
    return ", ".join(f"{package} {found[package]}" for package in sorted(found))


def _others(by_tool: dict[str, list[Record]], tool: str) -> list[Record]:
    """Records to compare a tool's posterior means with: the first other library's full runs."""
    module = by_tool[tool][0]["module"]
    for records in by_tool.values():
        if records[0]["module"] != module and records[0]["run"]["chains"] > 1:
            return records
    return []


def _row(records: list[Record], others: list[Record]) -> list[str]:
    def middle(value: Callable[[Record], float]) -> float:
        return median(map(value, records))

    comparable = others and records[0]["run"]["chains"] > 1
    cpu_compile = max(record["cpu_compile"] for record in records)
    wall_compile = max(record["wall_compile"] for record in records)
    return [
        records[0]["tool"],
        str(Run(**records[0]["run"])),
        _three_digits(middle(lambda r: r["cpu"])),
        *_gradients(records),
        f"{middle(lambda r: r['ess_bulk']):.0f}",
        f"{middle(lambda r: r['ess_tail']):.0f}",
        _three_digits(middle(lambda r: r["ess_bulk"] / r["cpu"])),
        _three_digits(middle(lambda r: r["ess_tail"] / r["cpu"])),
        f"{middle(lambda r: r['rhat']):.3f}",
        f"{middle(lambda r: r['divergences']):.0f}",
        f"{cpu_compile:.1f} ({wall_compile:.1f})",
        f"{largest_z(records, others):.1f}" if comparable else "-",
    ]


def _gradients(records: list[Record]) -> tuple[str, str]:
    """Microseconds per gradient of the whole call, and gradients of warm-up + draws."""
    draws = median(record["gradients"] for record in records)
    if records[0]["gradients_warmup"] is None:
        return "?", f"? + {draws:.0f}"
    warmup = median(record["gradients_warmup"] for record in records)
    each = median(r["cpu"] / (r["gradients_warmup"] + r["gradients"]) for r in records)
    return _three_digits(each * 1e6), f"{warmup:.0f} + {draws:.0f}"


def _times(ours: float | None, theirs: float | None) -> str:
    return f"{_three_digits(ours / theirs)}x" if ours and theirs else "-"


def _three_digits(value: float) -> str:
    """Three significant digits, without exponents for large numbers."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"
