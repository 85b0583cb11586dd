"""The result of a dry run: the faults found, as values and as text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probgen.declare.checks.problem import Problem, raise_errors
from probgen.declare.evaluation import Program
from probgen.declare.sites import Site

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["CheckReport"]

_WIDTH = 96
_LONG = 8
_HEADINGS = ("site", "kind", "distribution", "support", "shape", "plates")


@dataclass
class CheckReport:
    """What a dry run found: `problems`, and the `program` if it could be run at all (or None).

    `ok` says that there are no errors; warnings may be there. `print` shows the faults with
    their cures, the table of sites, and `remarks` on what would be done.
    """

    name: str
    problems: list[Problem] = field(default_factory=list)
    program: Program | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no error was found."""
        return not self.errors

    @property
    def errors(self) -> list[Problem]:
        """Faults that make inference impossible or wrong."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """Faults that inference survives, but that are seldom meant."""
        return [problem for problem in self.problems if problem.severity == "warning"]

    def raise_if_failed(self) -> None:
        """Raise `DataError` or `ModelError` with the text of all errors, if there are any."""
        raise_errors(self.problems)

    def __str__(self) -> str:
        parts = [self._headline()]
        parts += [_block(problem) for problem in (*self.errors, *self.warnings)]
        if self.program is not None and self.program.sites:
            parts.append(_table(list(self.program.sites.values())))
        parts += ["\n".join(_wrapped(remark, "", "")) for remark in self.remarks]
        return "\n\n".join(parts)

    def __rich__(self) -> Text:
        from rich.text import Text

        text = Text(str(self), no_wrap=True)
        for word, style in (("error:", "bold red"), ("warning:", "yellow"), ("cure:", "green")):
            text.highlight_regex(rf"(?m)^ *{word}", style)
        return text

    def _headline(self) -> str:
        counts = [
            f"{len(found)} {word}{'s' if len(found) > 1 else ''}"
            for word, found in (("error", self.errors), ("warning", self.warnings))
            if found
        ]
        if counts:
            return f"{self.name}: {' and '.join(counts)}."
        return f"{self.name}: nothing wrong found."


def _block(problem: Problem) -> str:
    lines = _wrapped(f"{problem.severity}: {problem.message}", "", "  ")
    if problem.cure:
        lines += _wrapped(f"  cure: {problem.cure}", "", "    ")
    return "\n".join(lines)


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    """Lines of at most the width; line breaks of the text itself (quoted code) are kept."""
    lines: list[str] = []
    for line in text.splitlines():
        lines += textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=rest if lines else first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        ) or [""]
    return lines


def _table(sites: list[Site]) -> str:
    rows = [_HEADINGS, *_folded(sites)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _folded(sites: list[Site]) -> Iterator[tuple[str, ...]]:
    """A row for every site; of long numbered series, x_0 x_1 ..., the first two and the last."""
    series: dict[tuple[str, str], list[Site]] = {}
    for site in sites:
        series.setdefault((re.sub(r"\d+$", "", site.name), site.kind), []).append(site)
    for site in sites:
        alike = series[re.sub(r"\d+$", "", site.name), site.kind]
        if len(alike) < _LONG or site in (alike[0], alike[1], alike[-1]):
            yield _row(site)
        elif site is alike[2]:
            yield f"... {len(alike) - 3} more", *("",) * (len(_HEADINGS) - 1)


def _row(site: Site) -> tuple[str, ...]:
    shape = " x ".join(map(str, site.shape)) or "scalar"
    shown = "" if site.kind in ("deterministic", "factor") else site.distribution
    plates = ", ".join(plate for plate in site.plates if plate)
    kind = "summed out" if site.kind == "latent" and site.discrete else site.kind
    return site.name, kind, shown, site.support, shape, plates
