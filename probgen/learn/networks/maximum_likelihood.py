"""Maximum likelihood of a Bayesian network from complete data: relative frequencies."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from probgen.learn.fit import Learned, Problem
from probgen.learn.networks.tables import (
    check_complete,
    conditional,
    observed_log_likelihood,
    unseen_note,
)

__all__ = ["MaximumLikelihood"]


@dataclass(frozen=True)
class MaximumLikelihood:
    """Conditional probabilities as relative frequencies.

    A configuration of parents that never occurs gets a uniform distribution, and a note says
    so. Needs complete data: `EM` learns from data with holes.
    """

    name: ClassVar[str] = "MaximumLikelihood"
    learns: ClassVar[str] = "parameters"
    wants: ClassVar[str] = "directed"
    needs_oracle: ClassVar[bool] = False

    def learn(self, problem: Problem) -> Learned:
        """Count. Raises `DataError` when a value is missing."""
        started = time.perf_counter()
        skeleton, table = problem.skeleton, problem.table
        assert skeleton is not None
        check_complete(table, self.name, "EM()")
        counts = [table.counts(scope) for scope in skeleton.scopes]
        made = [conditional(count) for count in counts]
        log_tables = [log_table for log_table, _ in made]
        summary = {
            "log_likelihood": observed_log_likelihood(counts, log_tables),
            "parameters": sum(
                count.size // count.shape[-1] * (count.shape[-1] - 1) for count in counts
            ),
            "seconds": time.perf_counter() - started,
            "notes": unseen_note(skeleton, [unseen for _, unseen in made]),
        }
        return Learned(skeleton.network(log_tables), {}, summary)
