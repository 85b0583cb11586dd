"""What `quality` and `floor` hand back: scores in a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from probgen.diagnose.metrics import Score

__all__ = ["Quality"]


@dataclass(frozen=True, eq=False)
class Quality:
    """Scores by name, of one extractor on the same rows.

    Attributes
    ----------
    scores: by name, such as "fid".
    title: what was held against what.
    notes: sentences about what was left out and why.

    """

    scores: Mapping[str, Score]
    title: str
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Score:
        """The score of a metric; `KeyError` for one that was not computed."""
        return self.scores[name]

    def to_frame(self) -> pd.DataFrame:
        """A row for each metric, its attributes in columns."""
        fields = [dict(vars(found)) for found in self.scores.values()]
        for each in fields:
            each["settings"] = ", ".join(f"{k}={v}" for k, v in each["settings"].items())
        return pd.DataFrame(fields, index=pd.Index(list(self.scores), name="name"))

    def __str__(self) -> str:
        lines = [self.title]
        for found in self.scores.values():
            error = "" if found.error is None else f"± {found.error:.2g}"
            p = "" if found.p_value is None else f"  p {found.p_value:.2g}"
            kind = f"  ({found.error_of})" if found.error_of else ""
            lines.append(
                f"  {found.metric:<20} {found.value:>10.4g} {error:<9} {found.better} is better"
                f"{p}{kind}"
            )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return f"<p>{self.title}</p>{self.to_frame()._repr_html_()}"
