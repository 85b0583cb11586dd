"""`compare` of generative models: draws of each against the same data, several times."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from probgen.diagnose.metrics import Score
from probgen.errors import DataError, OptionError, ProbgenError
from probgen.learn.training.generators import put_back
from probgen.nets.extractors import RandomFeatures
from probgen.progress import ProgressDisplay
from probgen.results.attributes import library_attributes, version_of
from probgen.results.tree import storable
from probgen.studies.generative.draws import Drawing
from probgen.studies.generative.entries import Entry, read_entries
from probgen.studies.generative.likelihoods import likelihood_of
from probgen.studies.generative.result import FLOOR, GenerativeComparison
from probgen.studies.quality.asked import named_metrics
from probgen.studies.quality.classifier import classifier
from probgen.studies.quality.table import quality

__all__ = ["compare_generative"]

MOST, SHOWN, LEAST = 1000, 64, 20
_METRICS = ("fid", "kid", "precision", "recall", "density", "coverage", "c2st")
_JUDGED = 500
"""Cases whose likelihood is found."""
_OUTSIDE = 0.25
"""Share of the entries of draws outside the range of the data from which this is noted."""
_PACKAGES = ("torch", "pyro-ppl", "numpy")


def compare_generative(
    models: Mapping[str, Any],
    data: Any,
    *,
    transform: Mapping[str, Any] | None = None,
    extractor: Any = None,
    labels: Any = None,
    metrics: Sequence[str] | None = None,
    samples: int | None = None,
    seeds: Sequence[int] = (1, 2, 3),
    reference: Any = None,
    progress: bool = True,
) -> GenerativeComparison:
    """See `probgen.compare`."""
    wanted = named_metrics(metrics, _METRICS)
    entries = read_entries(models, data, transform)
    if FLOOR in models:
        raise OptionError(f"models: {FLOOR!r} is what the row of the data is called.")
    began = time.perf_counter()
    with put_back(), ProgressDisplay("compare", progress) as display:
        study = _Study(entries, extractor, labels, wanted, samples, [*seeds], reference)
        total = len(entries) + 1
        display.step(0, total, "the data against themselves")
        study.floor()
        for number, entry in enumerate(entries, start=1):
            display.step(number, total, entry.label)
            study.run(entry)
    return study.result(time.perf_counter() - began)


class _Study:
    """What is measured, row by row."""

    def __init__(
        self,
        entries: list[Entry],
        extractor: Any,
        labels: Any,
        metrics: tuple[str, ...],
        samples: int | None,
        seeds: list[int],
        reference: Any,
    ) -> None:
        self.entries, self.metrics, self.seeds = entries, metrics, seeds
        first = entries[0]
        self.real = first.common(first.rows[first.site], of_data=True)
        self.reference = None if reference is None else self._shaped(torch.as_tensor(reference))
        rows = len(self.real) if self.reference is not None else len(self.real) // 2
        rows = rows if self.reference is None else min(rows, len(self.reference))
        self.count = min(samples or MOST, rows)
        if self.count < LEAST:
            raise DataError(
                f"compare: {len(self.real)} rows of data are {self.count} on each side, and "
                f"{LEAST} are the least."
            )
        self.extractor = self._extractor(extractor, labels)
        self.rows: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, dict[str, list[float]]] = {}
        self.shown: dict[str, np.ndarray] = {}
        self.features = ""

    def floor(self) -> None:
        """Rows of data in the place of draws."""
        self.sets[FLOOR] = {}
        self.shown[FLOOR] = self._sides(self.seeds[0])[1][:SHOWN].numpy()
        reasons = []
        for seed in self.seeds:
            real, other = self._sides(seed)
            reasons += self._measure(FLOOR, real, other, seed)
        self.rows[FLOOR] = {"family": "data", "status": "done", "reason": _once(reasons)}

    def run(self, entry: Entry) -> None:
        """Draws, metrics and likelihood of one model; a failure is noted."""
        row: dict[str, Any] = {"status": "done", "reason": "", "family": "", "note": ""}
        row |= {"parameters": entry.parameters, "training_seconds": entry.seconds}
        row["space"] = next(other.label for other in self.entries if _same_rows(other, entry))
        self.rows[entry.label], self.sets[entry.label] = row, {}
        try:
            row["family"] = entry.family
            found = likelihood_of(entry, torch.arange(len(self.real))[:_JUDGED], self.seeds[0])
            row |= {
                "log_likelihood": found.mean,
                "log_likelihood_error": found.error,
                "likelihood": found.kind,
                "likelihood_reason": found.reason,
            }
            self._draw_and_measure(entry, row)
        except (ProbgenError, RuntimeError, ValueError, KeyError, TypeError) as error:
            row |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"}

    def _draw_and_measure(self, entry: Entry, row: dict[str, Any]) -> None:
        drawing, seconds, reasons = Drawing(entry), 0.0, []
        own = self._shaped(entry.common(entry.rows[entry.site], of_data=True))
        if not torch.allclose(own.double(), self.real.double(), atol=1e-5, equal_nan=True):
            row["note"] = "Its data in the common space differ from those of the first model."
        for seed in self.seeds:
            drawn = drawing(self.count, seed)
            seconds += 1000 * drawn.seconds / drawn.worth / len(self.seeds)
            fake = self._shaped(entry.common(drawn.values))
            if not bool(torch.isfinite(fake.double()).all()):
                raise DataError("draws hold NaN or infinite values")
            row["note"] = row["note"] or _elsewhere(fake, self.real) or drawn.note
            self.shown.setdefault(entry.label, fake[:SHOWN].numpy())
            reasons += self._measure(entry.label, self._sides(seed)[0], fake, seed)
        row["seconds_per_1000"] = seconds
        row["reason"] = _once(reasons)

    def _measure(self, label: str, real: Tensor, fake: Tensor, seed: int) -> list[str]:
        """Scores of one set; returns why some are left out."""
        found, reasons = self._scores(real, fake, seed)
        for name in self.metrics:
            score = found.get(name)
            value = math.nan if score is None else score.value
            self.sets[label].setdefault(name, []).append(value)
            if score is not None:
                self.features = f"{score.extractor} {score.hash}".strip()
        return reasons

    def _scores(self, real: Tensor, fake: Tensor, seed: int) -> tuple[dict[str, Score], list[str]]:
        """All metrics at once; one by one where data are too few for some."""
        try:
            table = quality(real, fake, self.extractor, metrics=self.metrics, seed=seed)
            return dict(table.scores), []
        except DataError as error:
            first = str(error)
        found: dict[str, Score] = {}
        reasons: list[str] = []
        for name in self.metrics:
            try:
                table = quality(real, fake, self.extractor, metrics=[name], seed=seed)
            except DataError as error:
                reasons.append(f"{name} left out: {error}")
            else:
                found |= table.scores
        return found, reasons or [first]

    def _sides(self, seed: int) -> tuple[Tensor, Tensor]:
        """Rows of data that draws are held against, and others that stand for perfect draws."""
        random = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.real), generator=random)
        if self.reference is None:
            return self.real[order[: self.count]], self.real[order[self.count :][: self.count]]
        other = torch.randperm(len(self.reference), generator=random)[: self.count]
        return self.real[order[: self.count]], self.reference[other]

    def _shaped(self, values: Tensor) -> Tensor:
        """Rows in the shape of the first model's data. Raises `DataError`."""
        shape = tuple(self.real.shape[1:])
        if values[0].numel() != self.real[0].numel():
            raise DataError(
                f"a case is of shape {tuple(values.shape[1:])}, and those of the first model of "
                f"{shape}: give a transform to one space."
            )
        return values.reshape(len(values), *shape)

    def _extractor(self, given: Any, labels: Any) -> Any:
        """The one extractor of all rows."""
        if given is not None:
            return given
        if labels is not None:
            return classifier(self.real, labels, 0)
        shape = self.real.shape
        if len(shape) in (3, 4):
            return RandomFeatures(channels=shape[1] if len(shape) == 4 else 1, seed=0)
        return None

    def result(self, seconds: float) -> GenerativeComparison:
        """Everything as a DataTree."""
        names = [FLOOR, *(entry.label for entry in self.entries)]
        columns = dict.fromkeys(name for label in names for name in self.rows[label])
        arrays: dict[str, Any] = {}
        for column in columns:
            values = [self.rows[label].get(column) for label in names]
            texts = any(isinstance(value, str) for value in values)
            empty = "" if texts else math.nan
            filled = [empty if value is None else value for value in values]
            arrays[column] = ("model", np.array(filled, dtype=object if texts else float))
        blank = [math.nan] * len(self.seeds)
        sets = {
            name: (("model", "set"), np.array([self.sets[x].get(name, blank) for x in names]))
            for name in self.metrics
        }
        coords: dict[str, Any] = {"model": names, "set": self.seeds}
        images = np.full((len(names), SHOWN, *self.real.shape[1:]), np.nan, dtype=np.float32)
        for number, label in enumerate(names):
            rows = self.shown.get(label, np.empty((0,)))
            images[number, : len(rows)] = rows.reshape(len(rows), *self.real.shape[1:])
        dims = ("model", "sample", *(f"value_dim_{d}" for d in range(self.real.ndim - 1)))
        tree = xr.DataTree.from_dict(
            {
                "models": xr.Dataset(arrays, {"model": names}),
                "quality": xr.Dataset(sets, coords),
                "samples": xr.Dataset({"value": (dims, images)}, {"model": names}),
            }
        )
        attrs: dict[str, Any] = {"models": ", ".join(names[1:]), "seed": self.seeds[0]}
        attrs |= {"rows": self.count, "sets": len(self.seeds)}
        modules = (f"{entry.label}: {entry.module!r}" for entry in self.entries)
        attrs["model_source"] = "\n\n".join(modules)
        attrs |= library_attributes() | {"versions": {n: version_of(n) for n in _PACKAGES}}
        attrs |= {"features": self.features, "seconds": seconds}
        attrs["floor_of"] = "halves of the data" if self.reference is None else "the reference"
        tree.attrs.update({name: storable(value) for name, value in attrs.items()})
        return GenerativeComparison(tree)


def _elsewhere(draws: Tensor, data: Tensor) -> str:
    """What is to be said where much of the draws lies outside the range of the data."""
    finite = data[torch.isfinite(data.double())]
    low, high = float(finite.min()), float(finite.max())
    if ((draws < low) | (draws > high)).double().mean() < _OUTSIDE:
        return ""
    return (
        f"Its draws lie between {float(draws.min()):.3g} and {float(draws.max()):.3g}, the data "
        f"between {low:.3g} and {high:.3g}: where these are other units, give its own data and a "
        "transform to one space."
    )


def _same_rows(one: Entry, other: Entry) -> bool:
    """Whether two models' own data are the same numbers."""
    rows = (e.rows[e.site].double() for e in (one, other))
    first, second = (r.reshape(len(r), -1) for r in rows)
    return one is other or (
        first.shape == second.shape and torch.allclose(first, second, equal_nan=True)
    )


def _once(reasons: list[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))
