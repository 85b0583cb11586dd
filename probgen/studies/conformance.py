"""The result of the conformance ladder: a table of rungs, and a verdict."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from probgen.studies.ladder.outcome import Outcome

__all__ = ["Conformance"]


@dataclass(frozen=True, repr=False)
class Conformance:
    """What `conform` found: one outcome per rung and target."""

    method: str
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Outcomes that speak against the method."""
        return tuple(outcome for outcome in self.outcomes if outcome.passed is False)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the method, and something for it."""
        return not self.failures and any(outcome.passed for outcome in self.outcomes)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        decided = sum(outcome.passed is not None for outcome in self.outcomes)
        good = sum(outcome.passed is True for outcome in self.outcomes)
        word = "conforms" if self.passed else "does not conform"
        return f"{self.method} {word}: {good} of {decided} checks passed."

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"Conformance({self.headline!r})"

    def __str__(self) -> str:
        from rich.console import Console

        out = io.StringIO()
        Console(file=out, width=120, no_color=True, highlight=False).print(self)
        return out.getvalue().rstrip()

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(header_style="bold", pad_edge=False)
        for heading in ("rung", "target", "", "statistic", "must be", "s", "note"):
            right = heading in ("statistic", "s")
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        words = {True: ("passed", "green"), False: ("FAILED", "bold red"), None: ("-", "dim")}
        for o in self.outcomes:
            word, style = words[o.passed]
            statistic = "" if o.statistic != o.statistic else f"{o.statistic:.3g}"
            cells = (statistic, o.bound, f"{o.seconds:.1f}", o.note)
            table.add_row(o.rung, o.target, Text(word, style=style), *map(Text, cells))
        colour = "bold green" if self.passed else "bold red"
        return Group(Text(self.headline, style=colour), table)
