"""Does each chain mix where it is? That tells several modes from chains that are only slow."""

import numpy as np

from probgen.diagnose.draw_statistics import statistics
from probgen.diagnose.record import Record

MIXED = 30.0  # effective draws of one chain, from which its mean and spread say where it is
SETTLED = 1.1  # R-hat between the halves of one chain
LEAST_DRAWS = 16


def each_chain_mixes(record: Record, position: int) -> bool:
    """Whether every chain, taken alone, has settled and mixes along a scalar."""
    if record.draws < LEAST_DRAWS:
        return False
    draws = record.values[position]
    moving = np.flatnonzero(np.ptp(draws, axis=1) > 0)
    if len(moving) < record.chains:
        return False
    found = statistics(draws[:, None, :], moving, ())
    with np.errstate(invalid="ignore"):
        mixes = (found["ess_bulk"] > MIXED) & (found["r_hat"] < SETTLED)
    return bool(mixes.all())
