"""The comparison in plain words: who won, who is fast but wrong, who failed, and the caveats."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import xarray as xr

from probgen.diagnose.words import brief
from probgen.studies.compare.costs import ENOUGH
from probgen.studies.compare.run import FINDING_SEPARATOR
from probgen.studies.compare.summary import GOOD, is_of_states
from probgen.studies.compare.units import duration

__all__ = ["caveats", "sentences", "settings_of"]

_SHORT = 160  # characters of a reason
_UNSTEADY = 4.0  # times between the quickest and the slowest seed
_CLEAR = 1.2  # times faster than this is worth saying


def sentences(table: pd.DataFrame, tree: xr.DataTree) -> list[str]:
    """One sentence on the best method, then one on each of the others."""
    measured = "errors" in tree.children
    good = table[table["standing"].isin(GOOD)]
    if good.empty:
        start = ["No method gave an answer to be trusted.", _advice(table)]
    else:
        start = [_winner(good, "state" if measured and is_of_states(tree) else "scalar")]
    others = table.drop(index=good.index[:1])
    best = None if good.empty else good.iloc[0]
    told = [_sentence(row, best, measured) for _, row in others.iterrows()]
    return [text for text in (*start, *told) if text]


def _advice(table: pd.DataFrame) -> str:
    """The next step that the diagnosis of the least bad method names."""
    given = [text for text in table.get("advice", []) if text]
    return f"Next step: {given[0].rstrip('.')}." if given else ""


def _winner(good: pd.DataFrame, thing: str) -> str:
    row = good.iloc[0]
    right = {
        "right": "its answer is right within its Monte Carlo error",
        "passed": "its answer passed the diagnosis (errors were not measured)",
        "slightly biased": f"its answer is off by {_bias(row)} at most",
    }[row["standing"]]
    text = f"{_label(row)} serves best: {right}, and it takes {duration(row['needed'])}"
    if math.isfinite(row.get("ess_per_second", math.nan)):
        text += f" to {ENOUGH:.0f} effective draws of the worst {thing}, warm-up charged"
    first = row.get("trusted_seconds", math.nan)
    if math.isfinite(first) and first > 2 * row["needed"]:
        text += f"; the first trustworthy answer came after {duration(first)}, compiling included"
    return text + "."


def _sentence(row: pd.Series, best: pd.Series | None, measured: bool) -> str:
    label, standing = _label(row), row["standing"]
    pace = _pace(row, best)
    if standing == "failed":
        return _closed(f"{label} failed: {_cut(row['reason'])}")
    if standing == "biased":
        fast = "fast but biased" if pace.endswith("faster") else "biased"
        trust = _trusted_although(row)
        return f"{label} is {fast}{f' ({pace})' if pace else ''}: {_bias(row)} off{trust}."
    if standing == "unchecked":
        tempo = f", {pace}" if pace else ""
        return f"{label} is an approximation{tempo}; nothing measured its error."
    if standing == "not trusted":
        first = str(row.get("findings", "")).split(FINDING_SEPARATOR)[0]
        why = f": {_cut(first)}" if first else ""
        return _closed(f"{label} is not to be trusted by its own diagnosis{why}")
    partly = "" if _all_finished(row) else f" ({row['finished']} runs finished: {row['reason']})"
    if standing == "slightly biased":
        return f"{label} is {pace or 'as fast'} and slightly biased, {_bias(row)} off{partly}."
    return f"{label} is {pace or 'about as fast'}{' and right, too' if measured else ''}{partly}."


def _pace(row: pd.Series, best: pd.Series | None) -> str:
    """How much faster or slower than the best; "" when the seeds do not tell them apart."""
    if best is None or not (row["needed"] > 0 and best["needed"] > 0):
        return ""
    ratio = row["needed"] / best["needed"]
    apart = row["needed_least"] > best["needed_most"] or row["needed_most"] < best["needed_least"]
    if 1 / _CLEAR < ratio < _CLEAR or not apart:
        return ""
    times = ratio if ratio > 1 else 1 / ratio
    return f"{times:.3g} times {'slower' if ratio > 1 else 'faster'}"


def _bias(row: pd.Series) -> str:
    statistic, scalar = row["bias_statistic"], row["bias_of"]
    if statistic == "probability":
        return f"the probability of {scalar} is {brief(row['bias'])}"
    named = f"{statistic} quantile" if statistic.endswith("%") else statistic
    return f"the {named} of {scalar} is {brief(row['bias'])} sd"


def _trusted_although(row: pd.Series) -> str:
    """A diagnosis that saw nothing wrong with a wrong answer must be told."""
    trusted, _, finished = str(row["trusted"]).partition("/")
    if trusted == "0":
        return ""
    return f", although the diagnosis called it trustworthy in {trusted} of {finished} runs"


def caveats(table: pd.DataFrame, tree: xr.DataTree) -> list[str]:
    """What a reader of the numbers must know."""
    attrs, found = tree.attrs, []
    if "errors" not in tree.children:
        found.append(
            "Errors were not measured: there is no reference. reference='long' makes one, for "
            "networks reference='exact'."
        )
    elif str(attrs.get("reference", "")).startswith("a long run of "):
        found.append(
            f"The reference is {attrs['reference']}: an error that it shares with a method does "
            "not show."
        )
    if "diagnosis failed" in str(attrs.get("reference", "")):
        found.append("The reference itself failed its diagnosis: errors mean little.")
    found += _on_coverage(tree)
    slow = table[table["fallback"] != ""] if "fallback" in table else table.iloc[:0]
    for _, row in slow.iterrows():
        found.append(
            _closed(f"{_label(row)} did not run as compiled code: {_cut(row['fallback'])}")
        )
    for _, row in table.iterrows():
        if row["standing"] != "failed" and not _all_finished(row):
            found.append(
                _closed(
                    f"{_label(row)} finished {row['finished']} runs; the others: "
                    f"{_cut(row['reason'])}"
                )
            )
        if row["needed_most"] > _UNSTEADY * row["needed_least"]:
            times = row["needed_most"] / row["needed_least"]
            found.append(
                f"{_label(row)} took {times:.2g} times longer with one seed than with another: "
                "its timing says little (a busy machine, or a method that depends on luck)."
            )
    runs = tree["runs"].to_dataset().to_dataframe()
    if runs.groupby("method")["seed"].nunique().max() < 3:
        found.append("Fewer than 3 seeds: luck is not averaged out.")
    if int(attrs.get("jobs", 1)) != 1:
        found.append("Runs shared the machine: their timings disturb each other.")
    return found


def _on_coverage(tree: xr.DataTree) -> list[str]:
    """A reference that knows only part of the posterior."""
    if "errors" not in tree.children or "scalars" not in tree["runs"]:
        return []
    known = tree["errors"].sizes["scalar"]
    there = float(tree["runs"]["scalars"].max())
    if not known < there:
        return []
    return [f"The reference covers {known} of {there:.0f} scalars: errors are of those alone."]


def settings_of(tree: xr.DataTree) -> dict[str, Any]:
    """Methods with their settings, by label."""
    given = tree.attrs.get("methods", "{}")
    return json.loads(given) if isinstance(given, str) else dict(given)


def _label(row: pd.Series) -> str:
    budget = row.get("budget")
    if budget is None or pd.isna(budget):
        return str(row["method"])
    return f"{row['method']} at {budget:.0f} draws"


def _all_finished(row: pd.Series) -> bool:
    done, _, of = str(row["finished"]).partition("/")
    return done == of


def _cut(text: object) -> str:
    line = " ".join(str(text).split()).rstrip(".")
    return line if len(line) <= _SHORT else line[: _SHORT - 1].rsplit(" ", 1)[0] + " …"


def _closed(sentence: str) -> str:
    """With a full stop, unless it was cut."""
    return sentence if sentence.endswith("…") else f"{sentence}."
