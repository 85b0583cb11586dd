"""The page of a training: what is known of it, as cards and sections, put into the templates.

Nothing is computed here but pictures: whoever trained, sampled and judged hands over the history
as a DataTree, and numbers, arrays and sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import xarray as xr

from probgen.diagnose.finding import Finding
from probgen.diagnose.report.history import pictures_of_history
from probgen.diagnose.report.pictures import Picture
from probgen.diagnose.report.provenance import provenance
from probgen.diagnose.report.table import Table
from probgen.diagnose.report.templating import (
    content_policy,
    environment,
    static_text,
)
from probgen.diagnose.verdict import Verdict
from probgen.results.attributes import version_of

__all__ = ["Captioned", "Card", "Section", "card_of_verdict", "sections_page", "training_page"]

_MOODS = {"good": "✓", "care": "!", "bad": "✗"}


@dataclass(frozen=True)
class Card:
    """One judgement at the top of the page.

    `anchor` is that of the section it belongs to, `tone` "good", "care" or "bad", `basis` what
    the headline rests on.
    """

    label: str
    anchor: str
    tone: str
    headline: str
    basis: str
    findings: tuple[Finding, ...] = ()

    @property
    def mood(self) -> str:
        """Class of the card in the style sheet."""
        return f"{self.tone}-mood"

    @property
    def mark(self) -> str:
        """Sign of the card."""
        return _MOODS[self.tone]


@dataclass(frozen=True)
class Captioned:
    """A table with its caption."""

    table: Table
    caption: str


@dataclass
class Section:
    """A part of the page: paragraphs, then tables, pictures, and remarks on what is missing."""

    anchor: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Captioned] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def card_of_verdict(label: str, anchor: str, verdict: Verdict) -> Card:
    """The card of what `diagnose` says of chains."""
    tone = "bad" if not verdict.trustworthy else "good" if verdict.ok else "care"
    return Card(label, anchor, tone, verdict.headline, verdict.basis, verdict.findings)


def training_page(
    tree: xr.DataTree, cards: list[Card], sections: list[Section], source: str, title: str
) -> str:
    """The text of the page.

    Args:
        tree: with the group `history`; its attributes and the group `observed_data`, if there is
            one, are told under "How it was made".
        cards: judgements beside that on the training itself.
        sections: parts of the page after the history.
        source: text of the model, or "".
        title: heading.

    """
    attrs = {str(name): value for name, value in tree.attrs.items()}
    first = [_card_of_training(attrs), *cards]
    return sections_page(tree, first, [_history(tree), *sections], source, title)


def sections_page(
    tree: xr.DataTree, cards: list[Card], sections: list[Section], source: str, title: str
) -> str:
    """The text of a page of cards and sections, and how the tree was made."""
    from markupsafe import Markup

    version = version_of("probgen")
    script = static_text("report.js")
    attrs = {str(name): value for name, value in tree.attrs.items()}
    told = {n: v for n, v in attrs.items() if not n.startswith("last_") and str(v) != ""}
    return (
        environment()
        .get_template("training.html")
        .render(
            policy=content_policy(script),
            version=version,
            title=title,
            made_on=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC, by probgen {version}",
            style=Markup(static_text("report.css")),
            script=Markup(script),
            data=Markup("[]"),
            cards=cards,
            sections=sections,
            made=provenance(tree, told, source),
        )
    )


def _card_of_training(attrs: dict[str, Any]) -> Card:
    stopped = str(attrs.get("stopped", "epochs"))
    words = {
        "epochs": ("good", "All epochs were done."),
        "patience": ("good", "Stopped early: the validation metric no longer improved."),
        "interrupted": ("care", "Interrupted before its end."),
    }
    tone, headline = words.get(stopped, ("care", f"Stopped: {stopped}."))
    seconds = attrs.get("seconds")
    parts = [f"{attrs[name]:g} {name}" for name in ("epochs", "steps", "rows") if name in attrs]
    if isinstance(seconds, (int, float)):
        parts.append(f"{seconds:.3g} s")
    return Card("Training", "history", tone, headline, ", ".join(parts) + ".")


def _history(tree: xr.DataTree) -> Section:
    pictures = pictures_of_history(tree)
    section = Section("history", "History", pictures=pictures)
    if not pictures:
        section.remarks.append("The training recorded no metrics that vary.")
    if any(array.attrs.get("monitor") for array in tree["history"].data_vars.values()):
        section.paragraphs.append(
            "Curves called monitors watch the training; none of them is a likelihood."
        )
    return section
