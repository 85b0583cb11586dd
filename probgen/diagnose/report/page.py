"""The page: every part of the report put into the templates.

Names, notes, attributes and model sources are text from elsewhere: they only ever reach the
templates as plain text, which these escape. Only pictures (rebuilt by `svg`), our own style and
script, and the viewer's numbers (escaped by `templating`) are markup.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from probgen.diagnose.network_verdict import NetworkVerdict
from probgen.diagnose.report.comparison import comparison_of
from probgen.diagnose.report.explorer import explorer_data
from probgen.diagnose.report.featured import can_be_drawn, featured_scalars
from probgen.diagnose.report.loo import loo_table
from probgen.diagnose.report.network import pictures_of_network
from probgen.diagnose.report.pictures import Picture, pictures_of_draws
from probgen.diagnose.report.predictive import Predictive, predictive_of
from probgen.diagnose.report.prior import prior_picture
from probgen.diagnose.report.provenance import provenance_of
from probgen.diagnose.report.runs import Run
from probgen.diagnose.report.table import summary_of
from probgen.diagnose.report.templating import (
    content_policy,
    environment,
    json_text,
    static_text,
)
from probgen.diagnose.words import count_of, quoted
from probgen.results.attributes import version_of

__all__ = ["page_of"]

VIEWER_BYTES = 1_200_000
"""Of the draws that the parameter viewer shows, all runs together."""
MOST_PICTURED = 6
"""Runs with pictures of their own; of more, only the first have them."""
MOODS = {True: ("good-mood", "✓"), False: ("care-mood", "!")}


def page_of(runs: list[Run], model: Any = None, title: str | None = None) -> str:
    """The text of the page."""
    from markupsafe import Markup

    version = version_of("probgen")
    pictured = runs[:MOST_PICTURED]
    predictions = {run.label: predictive_of(run) for run in pictured if run.record is not None}
    views = [_view(run, run in pictured, predictions.get(run.label), model) for run in runs]
    loos = {label: predictive.loo for label, predictive in predictions.items()}
    data = [found for run in pictured if (found := _viewed(run, len(pictured)))]
    script = static_text("report.js")
    return (
        environment()
        .get_template("page.html")
        .render(
            policy=content_policy(script),
            version=version,
            title=title or _title(runs),
            made_on=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC, by probgen {version}",
            style=Markup(static_text("report.css")),
            script=Markup(script),
            data=Markup(json_text(data)),
            runs=views,
            several=len(runs) > 1,
            has_explorer=bool(data),
            comparison=comparison_of(runs, loos) if len(runs) > 1 else None,
        )
    )


def _view(run: Run, pictured: bool, predictive: Predictive | None, model: Any) -> dict[str, Any]:
    """What the templates need to know of one run."""
    verdict = run.verdict
    mood, mark = MOODS[verdict.ok] if verdict.trustworthy else ("bad-mood", "✗")
    pictures: list[Picture] = []
    remarks: list[str] = []
    if not pictured:
        remarks.append(f"Pictures are drawn of the first {MOST_PICTURED} runs only.")
    elif isinstance(verdict, NetworkVerdict):
        pictures = pictures_of_network(run)
    else:
        pictures = pictures_of_draws(run)
        if (prior := prior_picture(run)) is not None:
            pictures.append(prior)
        remarks = _picture_remarks(run)
    chosen = [run.record.names[i] for i in featured_scalars(run)] if run.record else []
    sections = [(f"{run.anchor}-summary", "Summary")]
    if pictures or remarks:
        sections.append((f"{run.anchor}-pictures", "Pictures"))
    if predictive:
        sections.append((f"{run.anchor}-predictions", "Predictions"))
    sections.append((f"{run.anchor}-made", "How it was made"))
    return {
        "label": run.label,
        "anchor": run.anchor,
        "mood": mood,
        "mark": mark,
        "headline": verdict.headline,
        "basis": verdict.basis,
        "findings": verdict.findings,
        "table": summary_of(verdict),
        "table_caption": (
            ("Most probable states" if verdict.maximised else "Probabilities of the states")
            if isinstance(verdict, NetworkVerdict)
            else "Posterior summary; over a limit in red"
        ),
        "pictures": pictures,
        "picture_remarks": remarks,
        "chosen": quoted(chosen, 12).replace("`", "") if pictured else "",
        "chains": verdict.chains,
        "has_draws": bool(chosen) and pictured,
        "predictive": predictive,
        "loo": loo_table(predictive.loo) if predictive else None,
        "made": provenance_of(run, model),
        "sections": sections,
    }


def _picture_remarks(run: Run) -> list[str]:
    assert run.record is not None
    if not run.record.moving.any():
        return ["No pictures: no parameter has finite draws that vary."]
    if not can_be_drawn(run.record):
        return [f"No pictures: {count_of(run.record.draws, 'draw')} per chain are too few."]
    remarks = []
    if not run.has("sample_stats"):
        remarks.append("No energies or divergences: the result has no sample_stats group.")
    elif "energy" not in run.record.stats:
        remarks.append("No picture of energies: the sampler recorded none.")
    return remarks


def _viewed(run: Run, of: int) -> dict[str, Any] | None:
    data = explorer_data(run, VIEWER_BYTES // of)
    if data is None:
        return None
    r_hat = run.verdict.table["r_hat"].to_numpy()[data["positions"]]
    worst = int(np.argmax(np.nan_to_num(r_hat, nan=-np.inf)))
    return data | {"anchor": run.anchor, "first": worst}


def _title(runs: list[Run]) -> str:
    models = list(dict.fromkeys(str(run.attrs.get("model", "")) for run in runs))
    named = [name for name in models if name]
    if len(runs) == 1:
        method = str(runs[0].attrs.get("method", ""))
        words = " by ".join(word for word in (*named, method) if word)
        return f"Report: {words}" if words else f"Report: {runs[0].label}"
    return f"Report on {len(runs)} runs" + (f" of {named[0]}" if len(named) == 1 else "")
