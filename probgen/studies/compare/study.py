"""`compare`: every method, every seed, every budget, each in a process of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import joblib

from probgen.errors import DataError, OptionError
from probgen.inference.arguments import check_counts
from probgen.inference.boltzmann.recognise import is_machine
from probgen.progress import ProgressDisplay
from probgen.studies.compare.asked import (
    budgets_of,
    check_limits,
    options_of_runs,
    seeds_of,
)
from probgen.studies.compare.building import cold_compile
from probgen.studies.compare.carry import packed
from probgen.studies.compare.collect import collected
from probgen.studies.compare.isolate import Answer, answer_of
from probgen.studies.compare.labels import labelled
from probgen.studies.compare.mother import FORKS
from probgen.studies.compare.result import Comparison
from probgen.studies.compare.rows import Run
from probgen.studies.compare.run import Job, is_discrete_network, measure
from probgen.studies.compare.truth import truth
from probgen.studies.generative.entries import are_generative
from probgen.studies.reference import NothingInCommon, Reference

_AFTERWARDS = 1800.0  # seconds for errors and diagnoses of one run: they do not count

__all__ = ["compare"]


def compare(
    model: Any,
    methods: Any = None,
    *,
    data: Any = None,
    reference: Any = None,
    seeds: int | Sequence[int] = 3,
    budget: int | Sequence[int] | None = None,
    chains: int | None = None,
    warmup: int | None = None,
    timeout: float | None = 600.0,
    jobs: int | None = None,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    transform: Mapping[str, Any] | None = None,
    extractor: Any = None,
    labels: Any = None,
    metrics: Sequence[str] | None = None,
    samples: int | None = None,
    progress: bool = True,
) -> Any:
    """The same model under many methods and seeds, or generative models: costs, errors, failures.

    A mapping from labels to fits or learned modules, with `data`, compares generative models of
    any families: Boltzmann machines, programs with latents, flows, adversarial ones. Each is drawn
    from once for each seed, and the draws are measured against rows of the data; log-likelihoods
    are given where there are any. A model that fails is a row with its reason. The row "data" has
    rows of data in the place of draws: what a perfect model comes to.

    Otherwise methods are compared on a model. Every run has a process of its own; one that
    raises, dies or takes too long is a row with its reason. Warm-up is charged to all that is per
    second or per gradient; compiling, measured once with an empty cache, is apart, and counts in
    the time to the first trustworthy answer.

    Parameters
    ----------
    model, data
        As for `infer`; or generative models by label, and rows that they were not trained on. One
        array or mapping by site stands for all models, in the space the draws are compared in;
        where the models' spaces differ (0 and 1, grey from -1 to 1 ...) give each the same cases
        in its own, data={label: rows}, and `transform`.
    methods
        Methods (`[NUTS(), MCLMC()]`), or a mapping from labels to methods.
    reference
        What is taken for the truth: "exact" (networks, linear-Gaussian ones too), "long" (a long
        run of NUTS, or of Gibbs on networks), a DataTree of draws, a mapping from scalars to
        (mean, sd) or as in model files, or the path of a file of draws (NetCDF, npz, or JSON as
        in posteriordb). When left out: exact for networks, if that is cheap; else no errors are
        measured.
    seeds
        How many (1, 2, 3 ...), or which.
    budget
        Draws per chain, or several such numbers, each a run of its own. When left out: what
        `infer` would make. Costs and errors of shorter runs with the same warm-up are read off
        the run's own beginning in any case (`Comparison.curves`).
    chains, warmup
        As for `infer`.
    timeout
        Seconds that a run may take; None for no limit.
    jobs
        Runs at once. One when left out, so that none disturbs another's timing, unless joblib is
        configured otherwise: inside `joblib.parallel_config("dask")` or `("ray", n_jobs=-1)` the
        cluster makes the runs.
    threads
        Threads of each run; the cores divided by `jobs` when left out.
    options
        Further options of `infer`, the same for all methods (`init`, `backend` ...).
    transform
        Generative models: by label functions of rows (row, ...) to rows in the common space.
        Draws go through them, and data that are each model's own.
    extractor, labels, metrics
        Generative models: what features of rows the metrics compare, as for `pg.metrics.quality`:
        an extractor; labels of the rows, for a classifier to be trained on them; or else the
        values themselves (of images with channels random convolutions). Names of metrics.
    samples
        Generative models: draws in a set; 1000, or half of the data, when left out.
    reference
        Generative models: other rows of data, in the common space, for the row "data" (such as
        those trained on); when left out, half of the data is held against the other half.
    progress
        Whether to show progress on standard error.

    Returns
    -------
    Comparison: `.table`, `.runs`, `.tree`, `.verdict`, `.plot()`, `.save(path)`; prints itself.
    Of generative models `GenerativeComparison`: `.table` (`.to_frame()`), `.best`, `.notes`,
    `.tree`, `.plot()`, `.save(path)`; prints its table.

    Raises
    ------
    OptionError, DataError
        Options, methods or a reference that cannot be used.
    SamplingError
        The run that was to be the reference failed.
    """
    of_draws = {
        "transform": transform,
        "extractor": extractor,
        "labels": labels,
        "metrics": metrics,
        "samples": samples,
    }
    if methods is None and are_generative(model):
        others = {"budget": budget, "chains": chains, "warmup": warmup, "jobs": jobs}
        _refuse({**others, "threads": threads, "options": options}, "methods of inference")
        from probgen.studies.generative.study import compare_generative

        check_counts({"samples": samples})
        return compare_generative(
            model, data, seeds=seeds_of(seeds), reference=reference, progress=progress, **of_draws
        )
    if methods is None:
        raise OptionError(
            "compare needs methods, compare(model, [NUTS(), HMC()]), or generative models, "
            "compare({label: fit}, data=x)."
        )
    _refuse(of_draws, "generative models")
    started = time.perf_counter()
    chosen = labelled(methods)
    check_counts({"chains": chains, "warmup": warmup, "threads": threads})
    check_limits(timeout, jobs)
    call = _Call(model, data, options_of_runs(chains, warmup, threads, jobs, options), timeout)
    all_seeds, all_budgets = seeds_of(seeds), budgets_of(budget)
    with ProgressDisplay("compare", progress) as display:
        display.step(0, 1, "reference")
        known = truth(reference, call.job, all_budgets, timeout)
        display.step(0, 1, "compiling")
        compiling = _compile_seconds(call)
        plans = [
            (label, seed, each)
            for each in all_budgets
            for seed in all_seeds  # round robin: a slow hour of the machine hits all methods
            for label in chosen
        ]
        packages = (call.packed(chosen[label], seed, each, known) for label, seed, each in plans)
        runs: list[Run] = []
        answers = _answers(packages, timeout, jobs)
        try:
            for plan, answer in zip(plans, answers, strict=True):
                if answer.kind == NothingInCommon.__name__ and not any(r.measured for r in runs):
                    raise DataError(answer.reason)  # of all methods: nothing is to be measured
                if answer.status == "timeout":
                    answer = replace(answer, reason=f"not done after {timeout:g} s")
                runs.append(Run(*plan, answer))
                display.step(len(runs), len(plans), plan[0])
        except KeyboardInterrupt:
            if not runs:
                raise
            late = Answer("failed", reason="interrupted before it was done", kind="Interrupted")
            runs += [Run(*plan, late) for plan in plans[len(runs) :]]
    return Comparison(
        collected(
            runs,
            {label: repr(method) for label, method in chosen.items()},
            known,
            model=_name_of(model),
            compiling=compiling,
            settings={
                "timeout": math.inf if timeout is None else float(timeout),
                "jobs": joblib.effective_n_jobs(jobs),
                "seconds": time.perf_counter() - started,
            },
        )
    )


def _refuse(given: Mapping[str, Any], whose: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise OptionError(f"{name} is an option of comparing {whose}.")


@dataclass(frozen=True)
class _Call:
    """What all runs have in common."""

    model: Any
    data: Mapping[Any, Any] | None
    options: Mapping[str, Any]
    timeout: float | None

    def job(self, method: Any, **options: Any) -> Job:
        return Job(self.model, method, self.data, {**self.options, **options})

    def packed(self, method: Any, seed: int, budget: int | None, known: Reference | None) -> bytes:
        options: dict[str, Any] = {"seed": seed}
        if budget is not None and _draws_at_all(method):
            options["draws"] = budget
        owners = (self.model, method)
        return packed(measure, self.job(method, **options), known, self.timeout, owners=owners)


def _draws_at_all(method: Any) -> bool:
    """Whether the number of draws means something to a method."""
    return int(getattr(method, "defaults", {}).get("draws", 1000)) > 1


def _answers(packages: Iterator[bytes], timeout: float | None, jobs: int | None) -> Any:
    """Answers in order, as they come where joblib's backend can hand them out one by one."""
    parallel = joblib.Parallel(n_jobs=jobs, return_as="list", batch_size=1)
    if getattr(parallel._backend, "supports_return_generator", False):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", batch_size=1)
    # The run has its own limit (see `measure`); this one is for what comes after it, or hangs.
    whole = None if timeout is None else timeout if not FORKS else 2 * timeout + _AFTERWARDS
    task: Callable[[bytes], Answer] = partial(answer_of, seconds=whole)
    return parallel(joblib.delayed(task)(package) for package in packages)


def _compile_seconds(call: _Call) -> float:
    """Seconds of compiling a program's density from nothing; 0 for networks, NaN if it failed."""
    if is_discrete_network(call.model) and not is_machine(call.model):
        return 0.0
    answer = answer_of(
        packed(cold_compile, call.model, call.data, owners=(call.model,)), call.timeout
    )
    return float(answer.value) if answer.status == "done" else math.nan


def _name_of(model: Any) -> str:
    for attribute in ("title", "__name__", "name"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__
