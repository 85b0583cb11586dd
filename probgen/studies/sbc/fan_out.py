"""Many replications, one after the other or by joblib on as many workers as are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probgen.studies.sbc.replication import Replication, Study, replicate

__all__ = ["replications"]


def replications(study: Study, indices: Sequence[int], jobs: int | None) -> Iterator[Replication]:
    """The replications of a study as they are finished, in any order.

    `jobs` is joblib's `n_jobs`; None takes what a surrounding `joblib.parallel_config` says
    (processes, a Dask or Ray cluster ...), and one at a time where there is none.
    """
    import joblib

    if joblib.effective_n_jobs(jobs) == 1:
        for index in indices:
            yield replicate(study, index)
        return
    tasks = [joblib.delayed(replicate)(study, index) for index in indices]
    yield from _as_they_come(joblib, tasks, jobs)


def _as_they_come(joblib: Any, tasks: list[Any], jobs: int | None) -> Iterator[Replication]:
    try:
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    except (ValueError, TypeError):  # a backend that hands back lists only: some at a time
        some = 4 * joblib.effective_n_jobs(jobs)
        parallel = joblib.Parallel(n_jobs=jobs)
        for start in range(0, len(tasks), some):
            yield from parallel(tasks[start : start + some])
        return
    yield from parallel(tasks)
