"""What one rung found, and a clock around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from probgen.errors import ModelError, ProbgenError

__all__ = ["Outcome", "timed"]


@dataclass(frozen=True)
class Outcome:
    """One line of the table that `conform` returns."""

    rung: str
    """What was asked, as in "invariance"."""
    target: str
    """On what."""
    passed: bool | None
    """None where the question does not apply, or the answer says nothing against the method."""
    statistic: float = float("nan")
    bound: str = ""
    """What the statistic had to be, in words, as in "<= 5 standard errors"."""
    note: str = ""
    seconds: float = 0.0


def timed(
    rung: str, target: str, question: Callable[[], Iterator[Outcome] | Outcome]
) -> Iterator[Outcome]:
    """The outcomes of a question with the seconds that they took.

    A method that refuses a target with a `ModelError` does not serve it, which counts neither
    way; any other error fails it.
    """
    started = time.perf_counter()
    try:
        answer = question()
        outcomes = [answer] if isinstance(answer, Outcome) else list(answer)
    except ModelError as error:
        outcomes = [Outcome(rung, target, None, note=f"refused: {error}")]
    except (ProbgenError, ArithmeticError, ValueError, TypeError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}"
        outcomes = [Outcome(rung, target, False, note=text)]
    seconds = (time.perf_counter() - started) / max(len(outcomes), 1)
    yield from (replace(outcome, seconds=seconds) for outcome in outcomes)
