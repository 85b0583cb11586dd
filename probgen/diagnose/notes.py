"""What the sampler itself said, and what the verdict could not look at.

A run leaves its notes ("running away: improper posterior", "interrupted after 312 draws") in
the attribute `notes` of the tree: a sentence, a list of sentences, or their JSON text.
"""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from probgen.diagnose.finding import Finding, Limits, Severity
from probgen.diagnose.record import Record
from probgen.diagnose.words import count_of

# words in a note -> how grave it is
GRAVE: tuple[tuple[tuple[str, ...], Severity], ...] = (
    (("running away", "runs away", "improper", "never moved", "failed"), "failure"),
    (("did not converge", "configuration is impossible"), "failure"),
    (
        (
            "gradient does not vanish",
            "is wrong: the log density",
            "ran away",
            "kept rising",
            "several modes",
        ),
        "warning",
    ),
    (("interrupted", "may trap", "is not proven", "may depend on", "no estimate"), "warning"),
    (("differ by more than", "several fixed points", "hardly any"), "warning"),
    (("unadjusted", "starts disagree", "what lies outside is missed"), "warning"),
)


def check_notes(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Notes of the sampler as findings; grave ones as failures or warnings."""
    return findings_on_notes(record.attrs, record.chains, record.draws)


def findings_on_notes(attrs: Mapping[str, Any], chains: int, draws: int) -> list[Finding]:
    """What the attributes say about a run: its notes, and whether it was interrupted."""
    findings = [finding_of(note) for note in sentences(attrs.get("notes"))]
    if attrs.get("interrupted") and not any("interrupted" in f.message for f in findings):
        findings.append(
            finding_of(
                f"The run was interrupted: {count_of(draws, 'draw')} of "
                f"{count_of(chains, 'chain')} are there. Run again to the end if the ESS "
                "is too small."
            )
        )
    return findings


def check_missing(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """What was missing in the tree or left out, each said once."""
    return [Finding("not checked", "note", remark) for remark in record.remarks]


def finding_of(note: str) -> Finding:
    """A note as a finding: its first sentence is the fact, the others are the advice."""
    fact, stop, advice = note.partition(". ")
    lowered = note.lower()
    for words, severity in GRAVE:
        if any(word in lowered for word in words):
            return Finding("sampler", severity, fact + stop.strip(), advice=advice)
    return Finding("sampler", "note", fact + stop.strip(), advice=advice)


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
