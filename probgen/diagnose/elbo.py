"""Had the ELBO settled when training ended? From the losses that a variational fit leaves.

The mean loss of the last quarter of the steps is compared with that of the quarter before, with
the error that the means of blocks of steps give: a loss still on its way moves by more nats than
its noise explains. That the ELBO stands still says nothing of how good the approximation is: the
Pareto k does (Yao, Vehtari, Simpson and Gelman 2018; Dhaka et al. 2020 on stopping).
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.record import Record
from probgen.diagnose.words import brief, percent

FEWEST_STEPS = 100
BLOCKS = 10  # of each quarter
NATS = 1.0  # a change by less is no matter
SIGNIFICANT = 4.0  # standard errors


def check_elbo(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """A loss that still falls, rises, or is not finite at the end."""
    losses = record.losses
    if losses is None or losses.size < FEWEST_STEPS:
        return []
    late = losses[-(losses.size // 2) :]
    bad = float((~np.isfinite(late)).mean())
    if bad:
        return [
            Finding(
                "ELBO",
                "failure",
                f"the loss is NaN or infinite in {percent(bad)} of the last {late.size} steps.",
                "a parameter left its domain, or a density over- or underflowed",
                "lower the learning rate, clip gradients, or bound the guide's scales",
            )
        ]
    change, error = drift(late)
    if abs(change) < max(NATS, SIGNIFICANT * error):
        return []
    falls = change < 0
    return [
        Finding(
            "ELBO",
            "warning",
            f"the loss (negative ELBO) still {'fell' if falls else 'rose'} by "
            f"{brief(abs(change))} nats from the third quarter of {losses.size} steps to the last "
            f"(standard error {error:.1g}).",
            "training ended before the approximation had settled"
            if falls
            else "the steps are too large, or their gradients too noisy, to stay at the optimum",
            "train longer, or with larger steps that decay at the end"
            if falls
            else "lower the learning rate or let it decay; more particles make less noise",
        )
    ]


def drift(late: np.ndarray) -> tuple[float, float]:
    """Difference of the means of the two halves, and its standard error, by means of blocks."""
    size = late.size // (2 * BLOCKS)
    means = late[-2 * BLOCKS * size :].reshape(2, BLOCKS, size).mean(axis=2)
    error = np.sqrt((means.var(axis=1, ddof=1) / BLOCKS).sum())
    return float(means[1].mean() - means[0].mean()), float(error)
