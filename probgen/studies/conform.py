"""The conformance ladder: is an inference method right, and does it keep its promises?

Any method can be run through it, a user's own included. Methods for densities are asked for
bitwise reproducibility and resumption, invariance of exact draws, Geweke's joint distribution
test, draws of exact targets, calibration, and reference posteriors; engines for networks for
reproducibility and resumption, exact networks with and without evidence, and calibration. Each
rung is a file of `ladder/`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from probgen.errors import OptionError
from probgen.inference.arguments import check_method
from probgen.progress import ProgressDisplay
from probgen.studies.conformance import Conformance
from probgen.studies.ladder.outcome import Outcome, timed

__all__ = ["conform"]

Question = tuple[str, str, Callable[[], Any]]


def conform(
    method: Any,
    *,
    quick: bool = True,
    seed: int = 1,
    rungs: Collection[str] | None = None,
    progress: bool = True,
) -> Conformance:
    """Run `method` through the ladder.

    Parameters
    ----------
    method
        A method value such as `NUTS()` or `Gibbs()`, or any object with `name` and
        `run(density, plan)` (or `run(factors, plan)`, `serves = ("factors",)`).
    quick
        Less than a minute for a method in native code; otherwise more draws, replications and
        reference posteriors.
    seed
        The same seed gives the same outcomes.
    rungs
        Names of the rungs to climb, as in the table; all when left out.
    progress
        Whether to show progress on standard error.

    Returns
    -------
    Conformance: a table of outcomes, `passed` and `failures`. An outcome is None, which counts
    neither way, where a question does not apply: methods that say they are unadjusted or an
    approximation (in `summary`) are told as such, and their bias is bounded where that can be.
    Errors of the method are failures, not exceptions.

    Raises `OptionError` for an object that is no method, and for unknown rungs.
    """
    check_method(method, "run")
    serves = getattr(method, "serves", ("density",))
    if "density" in serves:
        questions = list(_of_density_method(method, quick, seed))
    elif "factors" in serves:
        questions = list(_of_engine(method, quick, seed))
    else:
        raise OptionError(f"{method.name} serves {', '.join(serves)}, which no rung asks about.")
    questions = _chosen(questions, rungs)
    outcomes: list[Outcome] = []
    with ProgressDisplay(f"conform {method.name}", progress) as display:
        for k, (rung, target, question) in enumerate(questions):
            display.step(k, len(questions), f"{rung}: {target}")
            outcomes += timed(rung, target, question)
    return Conformance(method.name, tuple(outcomes))


def _chosen(questions: list[Question], rungs: Collection[str] | None) -> list[Question]:
    known = list(dict.fromkeys(rung for rung, _, _ in questions))
    unknown = [rung for rung in rungs or () if rung not in known]
    if unknown:
        raise OptionError(
            f"rungs: {unknown[0]!r} is none; there are {', '.join(map(repr, known))}."
        )
    return [q for q in questions if rungs is None or q[0] in rungs]


def _of_density_method(method: Any, quick: bool, seed: int) -> Iterator[Question]:
    from probgen.studies.ladder import (
        calibrated,
        exact_targets,
        invariance,
        joint,
        references,
        reproducibility,
        resume,
    )
    from probgen.studies.ladder.target_run import nature_of
    from probgen.studies.ladder.targets import TARGETS

    ask: Callable[[], Any]
    nature = nature_of(method, TARGETS[0], seed)
    for target in TARGETS[3:4] if quick else TARGETS[3:6]:
        ask = partial(reproducibility.climb, method, target, seed)
        yield reproducibility.RUNG, target.name, ask
    yield resume.RUNG, TARGETS[3].name, partial(resume.climb, method, TARGETS[3], seed)
    for target in () if nature else TARGETS:
        ask = partial(invariance.climb, method, target, seed, 4000 if quick else 40_000)
        yield invariance.RUNG, target.name, ask
    if not nature:
        steps = 2000 if quick else 20_000
        yield joint.RUNG, joint.TARGET, partial(joint.climb, method, seed, steps)
    for rung in (invariance.RUNG, joint.RUNG) if nature else ():
        yield rung, "any", partial(_not_asked, rung, nature)
    for target in TARGETS:
        ask = partial(exact_targets.climb, method, target, seed, 16_000 if quick else 64_000)
        yield exact_targets.RUNG, target.name, ask
    count = 60 if quick else 400
    ask = partial(calibrated.climb, method, seed, count, nature)
    yield calibrated.RUNG, calibrated.TARGET, ask
    if nature == "approximation":
        yield references.RUNG, "any", partial(_not_asked, references.RUNG, nature)
        return
    for name in references.QUICK if quick else (*references.QUICK, *references.REST):
        ask = partial(references.climb, method, name, seed, 2000 if quick else 8000)
        yield references.RUNG, name, ask


def _not_asked(rung: str, nature: str) -> Outcome:
    words = {
        "unadjusted": "unadjusted: what it leaves unchanged is near the target, not the target",
        "approximation": "an approximation: its draws are not those of the target",
    }
    return Outcome(rung, "any", None, note=words[nature])


def _of_engine(method: Any, quick: bool, seed: int) -> Iterator[Question]:
    from probgen.studies.ladder import calibrated, networks, reproducibility, resume
    from probgen.targets.factors import condition

    ask: Callable[[], Any]
    every = networks.networks()
    some = (every[0], every[2]) if quick else every
    for network in some:
        ask = partial(reproducibility.climb_network, method, condition(network), seed)
        yield reproducibility.RUNG, network.title, ask
        ask = partial(resume.climb_network, method, condition(network), seed)
        yield resume.RUNG, network.title, ask
    for network in every:
        yield networks.RUNG, network.title, partial(networks.climb, method, network, seed)
    for network in every:
        ask = partial(networks.climb_evidence, method, network, seed)
        yield networks.RUNG, f"{network.title}, evidence", ask
    count = 60 if quick else 400
    for network in some[-1:] if quick else every:
        ask = partial(calibrated.climb_network, method, network, seed, count)
        yield calibrated.RUNG, network.title, ask
