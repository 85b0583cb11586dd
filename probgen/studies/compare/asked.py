"""Checks of what `compare` is asked for, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from probgen.errors import OptionError
from probgen.inference.arguments import check_counts
from probgen.inference.cores import usable_cores
from probgen.inference.infer import infer

__all__ = ["budgets_of", "check_limits", "options_of_runs", "seeds_of"]

_OWN = ("model", "method", "data", "seed", "draws", "chains", "warmup", "threads", "progress")
_NO_USE = ("store", "overwrite", "background")  # for runs that end with their process
_TAKEN = [name for name in signature(infer).parameters if name not in (*_OWN, *_NO_USE)]


def check_limits(timeout: Any, jobs: Any) -> None:
    """Raise `OptionError` for a time limit or a number of jobs that is none."""
    if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
        raise OptionError(f"timeout={timeout!r}: seconds above 0, or None for no limit.")
    if jobs == 0:
        raise OptionError("jobs=0: at least 1, or -1 for all cores.")


def options_of_runs(
    chains: int | None,
    warmup: int | None,
    threads: int | None,
    jobs: int | None,
    options: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Options of every `infer`."""
    extra = dict(options or {})
    for name in extra:
        if name in _OWN:
            raise OptionError(f"options: {name!r} is an argument of compare itself.")
        if name not in _TAKEN:
            raise OptionError(f"options: infer has no {name!r}; it has {', '.join(_TAKEN)}.")
    at_once = jobs if jobs is not None and jobs > 0 else usable_cores() if jobs else 1
    given = {"chains": chains, "warmup": warmup}
    given["threads"] = threads or max(usable_cores() // at_once, 1)
    return {**{n: v for n, v in given.items() if v is not None}, **extra}


def seeds_of(given: int | Sequence[int]) -> list[int]:
    """The seeds: so many, from 1 on, or those given. Raises `OptionError`."""
    check_counts({"seeds": given if isinstance(given, int) else 1})
    seeds = list(range(1, given + 1)) if isinstance(given, int) else [int(s) for s in given]
    if not seeds or len(set(seeds)) < len(seeds):
        raise OptionError(f"seeds={given!r}: give a number from 1 on, or different seeds.")
    return seeds


def budgets_of(given: int | Sequence[int] | None) -> list[int | None]:
    """Draws per chain of each run; None is what `infer` would make. Raises `OptionError`."""
    budgets: list[int | None]
    budgets = [given] if given is None or isinstance(given, int) else [*given]
    check_counts({"budget": min((b for b in budgets if b is not None), default=1)})
    if not budgets or min(b or 1 for b in budgets) < 1 or len(set(budgets)) < len(budgets):
        raise OptionError(f"budget={given!r}: numbers of draws from 1 on, all different.")
    return budgets
