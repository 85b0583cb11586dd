"""Reader of the Bayesian interchange format (BIF 0.15, Cozman 1998), fast and without pgmpy.

Understood: `network`, `variable` and `probability` blocks with properties, comments, quoted
names; probabilities as `table` (child slowest, last parent fastest), as rows
`(states of the parents) p, q, ...;` in any order, and a `default` row for those left out.
"""

from __future__ import annotations

import difflib
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

from probgen.declare.network import Network
from probgen.declare.networks.acyclic import check_acyclic
from probgen.declare.networks.bif_tables import BifTables
from probgen.declare.networks.bif_text import BifText
from probgen.declare.networks.named_tables import NamedTable, assemble
from probgen.declare.networks.origin import Origin
from probgen.declare.networks.text_files import read_text
from probgen.errors import DataError

__all__ = ["parse_bif", "read_bif"]

_KEYWORD = re.compile(r"(network|variable|probability|property)\b")
_NETWORK = re.compile(r"network\s*([^{}]*?)\s*\{([^{}]*)\}")
_VARIABLE = re.compile(r"variable\s*([^{}]*?)\s*\{")
_TYPE = re.compile(r"type\s+discrete\s*\[\s*(\d+)\s*\]\s*\{([^{}]*)\}\s*;")
_PROBABILITY = re.compile(r"probability\s*\(([^(){}]*)\)\s*\{")
_PROPERTY = re.compile(r"property\b[^;]*;")


def read_bif(path: str | Path) -> Network:
    """The network of a `.bif` file (gzipped or not).

    Raises `DataError` with the line, what was expected there and the nearest names.
    """
    return parse_bif(read_text(path), Path(path))


def parse_bif(text: str, path: Path) -> Network:
    """The network of a text in BIF; `path` is for messages and gives the title."""
    return _Reader(BifText(text, path)).network()


@dataclass
class _Reader:
    text: BifText
    states: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tables: dict[str, NamedTable] = field(default_factory=dict)

    def network(self) -> Network:
        clean, stem = self.text.clean, self.text.path.name.removesuffix(".gz")
        title = stem.removesuffix(".bif")
        at = self.text.skip_space(0)
        probabilities: list[re.Match[str]] = []
        while at < len(clean):
            keyword = _KEYWORD.match(clean, at)
            if keyword is None:
                raise self.text.error(
                    f"expected network, variable or probability, found {self._word(at)!r}.", at
                )
            if keyword[1] == "variable":
                at = self._variable(at)
            elif keyword[1] == "probability":
                found = self._match(_PROBABILITY, at, "probability ( child | parents ) {")
                probabilities.append(found)
                at = self._end_of_block(found.end(), "probability", at) + 1
            elif keyword[1] == "network":
                at = self._match(_NETWORK, at, "network name { }").end()
            else:
                at = self._match(_PROPERTY, at, "property text;").end()
            at = self.text.skip_space(at)
        if not self.states:
            raise self.text.error("the file declares no variable.", 0)
        tables = BifTables(self.text, self.states)
        for found in probabilities:
            self._probability(found, tables)
        return self._finish(title)

    def _finish(self, title: str) -> Network:
        origin = Origin(self.text.path, self.text.line)
        for name in self.states:
            if name not in self.tables:
                raise origin.error(
                    f"the variable {name!r} has no probability block: add one, "
                    f"or the file was cut off."
                )
        check_acyclic({name: t.scope[1:] for name, t in self.tables.items()}, origin)
        ordered = [self.tables[name] for name in self.states]
        return assemble(title, dict(self.states), ordered, (), origin)

    # Blocks

    def _variable(self, start: int) -> int:
        clean = self.text.clean
        head = self._match(_VARIABLE, start, "variable name {")
        name = self.text.restore(head[1])
        if name in self.states:
            raise self.text.error(f"the variable {name!r} is declared twice.", start)
        at = self.text.skip_space(head.end())
        while at < len(clean) and clean[at] != "}":
            if clean.startswith("property", at):
                at = self._match(_PROPERTY, at, "property text;").end()
            else:
                found = self._match(_TYPE, at, "type discrete [ n ] { states };")
                self.states[name] = self._states(name, found)
                at = found.end()
            at = self.text.skip_space(at)
        if at >= len(clean):
            raise self._cut_off("variable", start)
        if name not in self.states:
            raise self.text.error(f"the variable {name!r} has no type with its states.", start)
        return at + 1

    def _states(self, name: str, found: re.Match[str]) -> tuple[str, ...]:
        states = tuple(self._names(found[2]))
        if len(states) != int(found[1]):
            raise self.text.error(
                f"{name!r} is declared with {found[1]} states but names {len(states)}.",
                found.start(),
            )
        if len(set(states)) != len(states):
            raise self.text.error(f"{name!r} names a state twice: {states}.", found.start())
        return states

    def _probability(self, head: re.Match[str], tables: BifTables) -> None:
        scope = self._scope(head)
        child = scope[0]
        if child in self.tables:
            raise self.text.error(f"{child!r} has two probability blocks.", head.start())
        end = self.text.clean.find("}", head.end())
        states = tuple(self.states[name] for name in scope)
        values = tables.read(scope, head.end(), end)
        self.tables[child] = NamedTable(scope, states, values, 0, head.start())

    def _scope(self, head: re.Match[str]) -> tuple[str, ...]:
        before, bar, after = head[1].partition("|")
        if bar:
            names = [before.strip(), *re.split(r"\s*,\s*", after.strip())]
            if names[-1] == "":
                names.pop()
        else:  # the older form: child and parents without a bar
            whole = before.strip()
            names = [whole] if whole in self.states else re.split(r"[\s,]+", whole)
        scope = tuple(self._known(self.text.restore(name), head.start()) for name in names)
        if len(set(scope)) != len(scope):
            raise self.text.error(f"a variable stands twice in ({head[1].strip()}).", head.start())
        return scope

    def _known(self, name: str, at: int) -> str:
        if name in self.states:
            return name
        alike = [other for other in self.states if other.lower() == name.lower()]
        if len(alike) == 1:
            return alike[0]
        near = difflib.get_close_matches(name, list(self.states), 3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise self.text.error(f"the variable {name!r} is not declared.{hint}", at)

    # Places and errors

    def _names(self, text: str) -> list[str]:
        parts = text.split(",") if "," in text else text.split()
        return [self.text.restore(part.strip()) for part in parts if part.strip()]

    def _word(self, at: int) -> str:
        return self.text.restore(
            "".join(itertools.takewhile(lambda c: not c.isspace(), self.text.clean[at : at + 30]))
        )

    def _match(self, pattern: re.Pattern[str], at: int, expected: str) -> re.Match[str]:
        found = pattern.match(self.text.clean, at)
        if found is None:
            line = self.text.clean[at:].split("\n", 1)[0].strip()[:60]
            raise self.text.error(f"expected `{expected}`, found `{self.text.restore(line)}`.", at)
        return found

    def _end_of_block(self, at: int, kind: str, start: int) -> int:
        end = self.text.clean.find("}", at)
        if end < 0:
            raise self._cut_off(kind, start)
        return end

    def _cut_off(self, kind: str, start: int) -> DataError:
        line = self.text.line(start)
        return self.text.error(
            f"the file ends inside the {kind} block that begins on line {line}: it was cut off "
            "or lacks a closing brace.",
            len(self.text.clean),
        )
