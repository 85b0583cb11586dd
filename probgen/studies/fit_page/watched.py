"""Draws over time, as a training was watched, and whether they collapsed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from probgen.diagnose.finding import Finding
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.training import Card, Section
from probgen.learn.images import as_images, image_shape_of
from probgen.learn.labels import are_labels, classes_of, placed_at, rows_by_class
from probgen.learn.program_fit import ProgramFit
from probgen.studies.fit_page.cases import Cases
from probgen.studies.fit_page.shown import image_picture, kind_of, scatter

__all__ = ["watched_section"]

_LOOKS, _SAMPLES = 6, 12


def watched_section(fitted: ProgramFit, cases: Cases | None) -> tuple[Section, list[Card]] | None:
    """The section and a card for a collapse; None where nothing was watched."""
    if "watched" not in fitted.tree.children:
        return None
    watched = fitted.tree["watched"].to_dataset()
    section = Section("watched", "Draws over time")
    count = watched.sizes["look"]
    chosen = np.unique(np.round(np.linspace(0, count - 1, min(count, _LOOKS))).astype(int))
    steps = watched["look"].values[chosen].tolist()
    label = next(
        (n for n, v in watched.data_vars.items() if v.ndim == 2 and are_labels(v.values.ravel())),
        None,
    )
    for number, (site, array) in enumerate(watched.data_vars.items(), start=1):
        if site == label:
            continue
        data = None if cases is None else cases.training.get(str(site))
        values = array.values[chosen].astype(float)
        known = None if data is None else data.double().numpy()
        below: list[str] = []
        if kind_of(fitted.model, values.shape[2:]) == "images":
            if label is None:
                values = values[:, :_SAMPLES]
            else:
                values, below = _by_class(values, watched[label].values[chosen])
        prefix = f"watched-{number}"
        picture = _picture(fitted.model, prefix, str(site), values, steps, known, below)
        if picture is not None:
            section.pictures.append(picture)
    kept = (
        f"One look at draws was kept, of step {steps[0]}."
        if count == 1
        else f"{count} looks at draws were kept; shown are those of the steps "
        f"{', '.join(map(str, steps))}."
    )
    section.paragraphs.append(f"{kept} Numbers of all looks are in the history.")
    told = [n for n in fitted.summary.get("notes", ()) if "collapsed" in n]
    if not told:
        return section, []
    findings = tuple(
        Finding("collapse", "warning", note, "many latents give the same few cases")
        for note in told
    )
    headline = f"{told[0].partition(':')[0]}."
    return section, [Card("Draws", "watched", "bad", headline, "As the training saw.", findings)]


def _by_class(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The first draws of each class at each look, (look, place, ...), and labels of places."""
    classes = classes_of(labels)
    each = max(1, _SAMPLES // len(classes))
    sorted_draws = [
        placed_at(torch.as_tensor(some), rows_by_class(their, classes, each).ravel())
        for some, their in zip(values, labels, strict=True)
    ]
    return np.stack(sorted_draws), [f"{one:g}" for one in classes for _ in range(each)]


def _picture(
    model: Any, prefix: str, site: str, values: np.ndarray, steps: list[int], data: Any,
    below: list[str],
) -> Picture | None:  # fmt: skip
    """Draws of some looks, (look, sample, ...), with a label `below` each."""
    shape = values.shape[2:]
    kind = kind_of(model, shape)
    if kind == "images":
        images = as_images(values.reshape(-1, *shape), image_shape_of(model, shape))  # type: ignore[arg-type]
        caption = "A row for each look, the first above; draws of a row are independent"
        caption += ", and below each is its label." if below else "."
        names = [f"step {step}" for step in steps]
        return image_picture(
            f"{site} over time", prefix, images, caption, across=values.shape[1], rows=names,
            labels=below * len(steps),
        )  # fmt: skip
    if kind != "points":
        return None

    def draw() -> Any:
        from matplotlib import pyplot

        across = min(len(steps), 3)
        down = -(-len(steps) // across)
        size = (2.3 * across, 2.3 * down)
        figure, grid = pyplot.subplots(down, across, figsize=size, squeeze=False)
        for axes in grid.flat[len(steps) :]:
            axes.set_axis_off()
        for axes, points, step in zip(grid.flat, values, steps, strict=False):
            scatter(axes, points, data)
            axes.set_title(f"step {step}")
        return figure

    seen = "; ".join(
        f"step {step}: deviations {', '.join(f'{s:.2g}' for s in points.std(0))}"
        for step, points in zip(steps, values, strict=True)
    )
    caption = "A panel for each look. " + ("" if data is None else "The data in grey.")
    return drawn(f"{site} over time", prefix, draw, caption, f"{seen}.", True)
