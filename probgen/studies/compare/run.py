"""One run of one method, measured in a process of its own: what a row of the comparison says.

Called by `isolate.answer_of`; everything that needs the draws is computed here, so that only
numbers travel back.
"""

from __future__ import annotations

import math
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import xarray as xr

from probgen.declare.networks.kinds import is_continuous
from probgen.declare.networks.recognise import is_network
from probgen.diagnose import diagnose
from probgen.diagnose.network_record import has_marginals
from probgen.inference.boltzmann.recognise import is_discrete_machine
from probgen.inference.infer import infer
from probgen.studies.compare.accuracy import Accuracy, accuracy
from probgen.studies.compare.building import libraries
from probgen.studies.compare.costs import Costs, Yield, costs_of, yield_of
from probgen.studies.compare.curve import Curve, curve_of, first_trusted
from probgen.studies.compare.estimates import estimates_of, read_scalars
from probgen.studies.compare.joint import JointDistance, joint_distance
from probgen.studies.compare.memory import PeakMemory
from probgen.studies.reference import Reference, reference_from_tree

FINDING_SEPARATOR = " | "
BRIEF = 1.0  # seconds; shorter runs are made twice, and the second is timed

__all__ = ["Job", "Measured", "is_discrete_network", "measure", "run_reference"]


@dataclass(frozen=True)
class Job:
    """One call of `infer`: what, with which method and options."""

    model: Any
    method: Any
    data: Mapping[Any, Any] | None
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> xr.DataTree:
        """The result; raises what `infer` raises."""
        import torch

        options = dict(self.options)
        if not is_discrete_network(self.model):
            options.setdefault("log_likelihood", False)  # nobody looks at it here
        if options.get("threads"):
            torch.set_num_threads(int(options["threads"]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters stands in the notes of the result
            return infer(self.model, self.method, data=self.data, progress=False, **options)


@dataclass(frozen=True)
class Measured:
    """What one run gave.

    Attributes
    ----------
    scalars: how many the verdict's table has (states, of networks).
    draws, chains: size of the run; 0 draws of engines that do not sample.
    costs, effective, memory: see their classes; `memory` in bytes at the peak, and beyond what
        the process held before.
    accuracy, joint, curve: against the reference; None without one.
    evidence: log evidence in nats, what kind of value it is ("" where exact), and its error.
    trusted_after: draws and seconds of the first trustworthy answer (inf: none).
    trustworthy, headline, findings, advice: the verdict on the whole run, its failures, and the
        first next step it names.
    unchecked: whether it is an approximation whose error its diagnosis cannot see.
    native: False where a slower way than compiled code was taken; `fallback` says why.

    """

    scalars: int
    chains: int
    draws: int
    costs: Costs
    effective: Yield
    memory: tuple[float, float]
    accuracy: Accuracy | None
    joint: JointDistance | None
    curve: Curve | None
    evidence: tuple[float, str, float]
    trusted_after: tuple[float, float]
    trustworthy: bool
    headline: str
    findings: tuple[str, ...]
    advice: str
    unchecked: bool
    native: bool
    fallback: str


def is_discrete_network(model: Any) -> bool:
    """Whether a model is judged by the probabilities of its states: a network of discrete
    variables, or a Boltzmann machine of discrete units."""
    return (is_network(model) and not is_continuous(model)) or is_discrete_machine(model)


def measure(job: Job, reference: Reference | None, timeout: float | None = None) -> Measured:
    """Run, and measure cost and error; raises what `infer` and `diagnose` raise.

    A run that takes more than `timeout` seconds ends this process, by SIGALRM; what is computed
    from its draws is not counted.
    """
    built = libraries()
    with PeakMemory() as memory, _alarm(timeout):
        tree, costs = _timed(job)
    # Loading libraries, and building them on a new machine, is no cost of the method's: once more.
    if costs.total < BRIEF or libraries() > built:
        again = _timed(job)[1]
        costs = replace(again, compile=costs.compile, total=costs.total)
    verdict = diagnose(tree)
    failures = verdict.of_severity("failure")
    approximate = [f for f in verdict.findings if f.check == "approximation"]
    found = joint = curve = None
    if reference is not None:
        found = accuracy(estimates_of(tree), reference)
        curve = curve_of(tree, costs, reference)
        if not reference.is_of_states:
            joint = joint_distance(read_scalars(tree), reference)
    posterior = tree["posterior"].sizes if "posterior" in tree.children else {}
    fallback = str(tree.attrs.get("backend_reason", ""))
    return Measured(
        scalars=len(verdict.table),
        chains=int(posterior.get("chain", 0)),
        draws=int(posterior.get("draw", 0)),
        costs=costs,
        effective=yield_of(verdict.table),
        memory=(memory.peak, memory.added),
        accuracy=found,
        joint=joint,
        curve=curve,
        evidence=_evidence(tree.attrs),
        trusted_after=first_trusted(tree, costs),
        trustworthy=verdict.trustworthy,
        headline=verdict.headline,
        findings=tuple(f"{f.check}: {f.message}" for f in failures),
        advice=next((f.advice for f in (*failures, *approximate) if f.advice), ""),
        unchecked=bool(approximate) and verdict.trustworthy,
        native=not fallback,
        fallback=fallback,
    )


@contextmanager
def _alarm(seconds: float | None) -> Iterator[None]:
    """End this process after so many seconds, compiled code or not, unless done by then."""
    if seconds is None or not hasattr(signal, "setitimer"):
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _timed(job: Job) -> tuple[xr.DataTree, Costs]:
    started = time.perf_counter()
    tree = job.run()
    return tree, costs_of(tree, time.perf_counter() - started)


def run_reference(job: Job, title: str) -> Reference:
    """The reference that a long or exact run gives."""
    tree = job.run()
    verdict = diagnose(tree)
    caveat = "" if verdict.trustworthy else "; its own diagnosis failed"
    size = tree["posterior"].sizes if "posterior" in tree.children else {}
    if size and not has_marginals(tree):
        count = int(size["chain"] * size["draw"])
        title = f"{title}, {count} draws"
    return reference_from_tree(tree, title + caveat)


def _evidence(attrs: Mapping[Any, Any]) -> tuple[float, str, float]:
    value, error = attrs.get("log_evidence"), attrs.get("log_evidence_error")
    return (
        float(value) if isinstance(value, (int, float)) else math.nan,
        str(attrs.get("log_evidence_is", "")),
        float(error) if isinstance(error, (int, float)) else math.nan,
    )
