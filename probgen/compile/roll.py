"""Unrolled Python loops become loops again.

A program that walks through time is traced step by step: thousands of nodes, most of which do
the same as others did a step before (`periods`). The nodes of one place in the step, for all
steps, become one node with a dimension more, where steps do not need each other; what is carried
from step to step becomes a serial loop, and a running total of which only the last is read
becomes a sum. This is the distribution of loops over the strongly connected components of their
dependences (Allen and Kennedy, 1987). Nothing is assumed about what a program means: whatever
does not fit stays unrolled.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgen.compile.components import components
from probgen.compile.families import Irregular
from probgen.compile.ir import Node, View
from probgen.compile.periods import Run, find_runs
from probgen.compile.places import Places
from probgen.compile.recurrence import recur
from probgen.compile.schedule import needed
from probgen.compile.steps import Steps, regular_part
from probgen.compile.totals import Total, add_up, running_total
from probgen.compile.vectorise import VECTORISED, vectorise

__all__ = ["roll"]

_WORTHWHILE = 200  # nodes


def roll(outputs: Sequence[View]) -> list[View]:
    """The same outputs, computed with loops where the graph repeats itself."""
    everything = needed(outputs)
    nodes = [node for node in everything if node.kind not in ("input", "constant")]
    runs = find_runs(nodes) if len(nodes) >= _WORTHWHILE else []
    if not runs:
        return list(outputs)
    leaves = [node for node in everything if node.kind in ("input", "constant")]
    places = Places(leaves, nodes, outputs)
    position = 0
    for run in runs:
        for node in nodes[position : run.start]:
            places.copy(node)
        _roll(places, run)
        position = run.stop
    for node in nodes[position:]:
        places.copy(node)
    return [places.resolve(view) for view in outputs]


def _roll(places: Places, run: Run) -> None:
    """Compute a run of nodes, rolled up if possible."""
    rest = places.nodes[run.start : run.stop]
    try:
        steps = regular_part(places, run)
    except Irregular:
        _copy(places, rest)
        return
    first, stop = steps.run.start - run.start, steps.run.stop - run.start
    _copy(places, rest[:first])
    try:
        _distribute(steps)
    except Irregular:
        places.forget(rest[first:stop])
        _copy(places, rest[first:stop])
    _copy(places, rest[stop:])


def _copy(places: Places, nodes: Sequence[Node]) -> None:
    for node in nodes:
        places.copy(node)


def _distribute(steps: Steps) -> None:
    """Serial loops for what is carried along, vectors for the rest, in the order of need.

    Serial loops that do not wait for each other's vectors are one loop, so that the processor
    works on all of their chains at the same time: a slot has level n if n such loops come
    before it.
    """
    sources = [[o.slot for o in operands if o is not None] for operands in steps.operands]
    levels: dict[int, int] = {}
    loops: dict[int, list[int]] = {}
    others: dict[int, list[int | Total]] = {}
    looping: set[int] = set()
    for part in components(sources):
        carries = len(part) > 1 or part[0] in sources[part[0]]
        sum_of = running_total(steps, part) if carries else None
        needs = {source for slot in part for source in sources[slot]} - set(part)
        if sum_of is None and (carries or steps.body[part[0]].kind not in VECTORISED):
            level = max((levels[s] + (s not in looping) for s in needs), default=0)
            looping.update(part)
            loops.setdefault(level, []).extend(part)
        else:
            level = max((levels[source] for source in needs), default=0)
            others.setdefault(level, []).append(sum_of or part[0])
        levels.update(dict.fromkeys(part, level))
    for level in range(max(levels.values()) + 1):
        if level in loops:
            recur(steps, loops[level])
        for item in others.get(level, []):
            if isinstance(item, Total):
                add_up(steps, item)
            else:
                vectorise(steps, item)
