"""When the ELBO stands still: then the steps become smaller, and at last training ends.

Dhaka, Catalina, Andersen, Magnusson, Huggins & Vehtari (2020) and Welandawe, Andersen, Vehtari &
Huggins (2022) train at a constant rate until stationary, average the iterates, and lower the rate
until that no longer pays. Here stationarity is judged on the ELBO itself, by means of blocks of
steps and their error, and not by R-hat of the parameters: those of a flow wander along directions
that leave its density as it is, and never mix.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Plateaus", "drift"]

DROP, RATES = 4.0, 4
"""The rate is divided by `DROP` at a standstill, `RATES - 1` times at most."""
GROWTH = 1.5
"""How much longer a rate has held when it is judged again."""
BLOCKS = 10
SIGNIFICANT = 2.0
"""Standard errors."""


@dataclass
class Plateaus:
    """Watches the losses (nats) of successive steps.

    A rate is left when the mean of the last quarter of its steps is not below that of the quarter
    before by more than `tolerance` and `SIGNIFICANT` errors. Training ends after the last rate,
    or when a lower rate has not made the ELBO better by more than that.
    """

    tolerance: float
    first: int
    """Steps at a rate before it is judged for the first time."""
    rate: int = 0
    """How often the rate was lowered."""
    since: int = 0
    """The step from which on it holds."""
    due: int = 0
    """The step after which it is judged."""
    levels: list[tuple[float, float]] = field(default_factory=list)
    """Loss and its error at the end of every rate."""
    converged: bool = False

    def __post_init__(self) -> None:
        """Set the first step of judgement."""
        self.due = self.first

    @property
    def factor(self) -> float:
        """What the learning rate is multiplied by."""
        return DROP**-self.rate

    def judge(self, losses: np.ndarray) -> bool:
        """Look at all losses so far, `due` of them; whether the rate was left."""
        steps = len(losses) - self.since
        late = losses[self.since + steps // 2 :]
        change, error = drift(late)
        still = -change < max(self.tolerance, SIGNIFICANT * error)
        if not still:
            self.due = self.since + math.ceil(GROWTH * steps)
            return False
        quarter = late[len(late) // 2 :]
        level = float(quarter.mean()), float(error / math.sqrt(2))
        if self.levels:
            before, error_before = self.levels[-1]
            least = max(self.tolerance, SIGNIFICANT * math.hypot(level[1], error_before))
            self.converged = self.rate >= RATES - 1 or (
                self.rate > 1 and before - level[0] < least
            )
        self.levels.append(level)
        if self.converged:
            self.due = sys.maxsize
        else:
            self.rate += 1
            self.since, self.due = len(losses), len(losses) + self.first
        return True

    def state(self) -> np.ndarray:
        """All of it but the tolerance, as numbers."""
        plain = [self.rate, self.since, self.due, self.converged]
        return np.array([*plain, *(number for level in self.levels for number in level)])

    def load_state(self, state: np.ndarray) -> None:
        """Go on from what `state` gave."""
        self.rate, self.since, self.due = (int(number) for number in state[:3])
        self.converged = bool(state[3])
        self.levels = [(float(a), float(b)) for a, b in state[4:].reshape(-1, 2)]


def drift(late: np.ndarray) -> tuple[float, float]:
    """Mean of the second half of losses less that of the first, and the error of the difference.

    The error is that of means of blocks, which sees the correlation of successive steps.
    """
    size = len(late) // (2 * BLOCKS)
    means = late[-2 * BLOCKS * size :].reshape(2, BLOCKS, size).mean(axis=2)
    error = math.sqrt((means.var(axis=1, ddof=1) / BLOCKS).sum())
    return float(means[1].mean() - means[0].mean()), error
