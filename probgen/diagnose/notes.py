"""What the sampler itself said, and what the verdict could not look at.

A run leaves its notes ("running away: improper posterior", "interrupted after 312 draws") in
the attribute `notes` of the tree: a sentence, a list of sentences, or their JSON text.
"""

import json
from typing import Any

import pandas as pd

from probgen.diagnose.finding import Finding, Limits, Severity
from probgen.diagnose.record import Record

# words in a note -> how grave it is, and the next step
GRAVE: tuple[tuple[tuple[str, ...], Severity, str], ...] = (
    (
        ("running away", "improper", "runs away"),
        "failure",
        "give the sites a proper prior, or more data: no run can be long enough",
    ),
    (("failed", "rejected every"), "failure", ""),
    (("interrupted",), "warning", "run again to the end if the ESS is too small"),
)


def check_notes(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Notes of the sampler as findings; grave ones as failures or warnings."""
    findings = []
    for note in sentences(record.attrs.get("notes")):
        severity, advice = weight(note)
        findings.append(Finding("sampler", severity, note, advice=advice))
    return findings


def check_missing(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """What was missing in the tree or left out, each said once."""
    return [Finding("not checked", "note", remark) for remark in record.remarks]


def weight(note: str) -> tuple[Severity, str]:
    """Severity of a note by its words, and the next step."""
    lowered = note.lower()
    for words, severity, advice in GRAVE:
        if any(word in lowered for word in words):
            return severity, advice
    return "note", ""


def sentences(notes: Any) -> list[str]:
    """Notes as a list of sentences, whatever form the attribute has."""
    if notes is None:
        return []
    if isinstance(notes, str):
        try:
            parsed = json.loads(notes)
        except json.JSONDecodeError:
            return [notes] if notes.strip() else []
        return sentences(parsed) if isinstance(parsed, list) else [str(notes)]
    return [str(note) for note in list(notes) if str(note).strip()]
