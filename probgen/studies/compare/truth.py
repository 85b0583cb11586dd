"""The reference of a comparison: made here ("exact", "long") or read from what was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from probgen.declare.networks.recognise import is_network
from probgen.errors import OptionError, SamplingError
from probgen.inference.boltzmann.recognise import is_machine
from probgen.inference.infer_gaussian import gaussian_posterior, is_exactly_gaussian
from probgen.studies.compare.carry import packed
from probgen.studies.compare.isolate import answer_of
from probgen.studies.compare.run import Job, is_discrete_network, run_reference
from probgen.studies.reference import Reference, reference_from_gaussian
from probgen.studies.reference_read import read_reference

__all__ = ["truth"]

_SEED = 20_000_003  # of no method compared: their draws must not be those of the reference
_LONG, _TIMES = 10_000, 10  # draws per chain, at least, and beside the largest budget


def truth(
    given: Any,
    job: Callable[..., Job],
    budgets: Sequence[int | None],
    timeout: float | None,
) -> Reference | None:
    """The reference, or None where none was asked for and none is cheap.

    Raises `OptionError` for unknown words, `SamplingError` when its run fails.
    """
    if given is None:
        asked = job(None)
        cheap = is_discrete_network(asked.model) or _is_gaussian(asked)
        return _exact(job, timeout, needed=False) if cheap else None
    if isinstance(given, str) and given in ("exact", "long"):
        wanted = given == "exact"
        return _exact(job, timeout, needed=True) if wanted else _long(job, budgets, timeout)
    return read_reference(given)


def _exact(job: Callable[..., Job], timeout: float | None, needed: bool) -> Reference | None:
    from probgen.inference.graphical.exact import Exact

    asked = job(Exact(), seed=_SEED)
    if not is_network(asked.model) and not is_machine(asked.model):
        raise OptionError(
            "reference='exact' is for networks and small Boltzmann machines; for a program give "
            "'long', moments, or draws."
        )
    if _is_gaussian(asked):
        return reference_from_gaussian(gaussian_posterior(asked.model, asked.data)[2], _SEED)
    return _made(asked, "exact", timeout, needed)


def _is_gaussian(job: Job) -> bool:
    return is_network(job.model) and is_exactly_gaussian(job.model, None, job.data)


def _long(
    job: Callable[..., Job], budgets: Sequence[int | None], timeout: float | None
) -> Reference | None:
    draws = max(_LONG, _TIMES * max((b or 1000 for b in budgets), default=1000))
    options = {"seed": _SEED, "draws": draws, "warmup": max(draws // 5, 1000)}
    if is_discrete_network(job(None).model):
        from probgen.inference.graphical.gibbs import Gibbs

        return _made(job(Gibbs(), **options), "a long run of Gibbs", timeout, needed=True)
    from probgen.inference.nuts import NUTS

    asked = job(NUTS(target_accept=0.95), **options)
    return _made(asked, "a long run of NUTS", timeout, needed=True)


def _made(job: Job, title: str, timeout: float | None, needed: bool) -> Reference | None:
    limit = None if timeout is None else 10 * timeout if needed else timeout
    call = packed(run_reference, job, title, owners=(job.model, job.method))
    answer = answer_of(call, limit)
    if answer.status == "done":
        return answer.value
    if needed:
        raise SamplingError(
            f"The reference ({title}) could not be made: {answer.reason}. Give another, such as "
            "a mapping from scalars to (mean, sd), or a larger timeout."
        )
    return None
