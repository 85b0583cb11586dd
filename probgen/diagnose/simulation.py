"""How far draws of approximate Bayesian computation may be trusted: tolerance, summaries, weights.

Such draws are of the posterior given that simulated data lie within a tolerance of the observed
ones. Beaumont (2019), "Approximate Bayesian computation", Annu. Rev. Stat. Appl. 6; Blum, Nunes,
Prangle & Sisson (2013), "A comparative review of dimension reduction methods", on how the number
of summaries spoils them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.notes import sentences
from probgen.diagnose.record import Record
from probgen.diagnose.settings import as_number
from probgen.diagnose.words import brief, percent

WIDE = 0.1
"""Share of simulations from the prior within the tolerance above which it hardly selects."""
MANY_SUMMARIES = 20
FAR_APART = 1.05  # R-hat


def is_simulated(attrs: Mapping[str, Any]) -> bool:
    """Whether the attributes of a result say that its likelihood was replaced by simulations."""
    return bool(as_number(attrs.get("likelihood_free")))


def check_tolerance(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """The tolerance that was reached, and what it stands for."""
    epsilon = as_number(record.attrs.get("epsilon"))
    share = as_number(record.attrs.get("epsilon_under_prior"))
    if epsilon is None:
        return []
    wide = share is not None and share > WIDE
    among = "" if share is None else f", as {percent(share)} of simulations from the prior do"
    return [
        Finding(
            "tolerance",
            "warning" if wide else "note",
            f"an approximation: the draws are of the posterior given that simulated data lie "
            f"within {brief(epsilon)} of the observed{among}.",
            "so wide a tolerance hardly tells the posterior from the prior" if wide else "",
            "take a smaller epsilon or quantile"
            if wide
            else "see whether the posterior still changes with a smaller epsilon or quantile",
        )
    ]


def check_summaries(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """More summaries than a distance can hold together."""
    count = as_number(record.attrs.get("summaries"))
    if count is None or count <= MANY_SUMMARIES:
        return []
    return [
        Finding(
            "summaries",
            "warning",
            f"data are compared by {count:.0f} numbers at once.",
            "the noise in so many numbers keeps all simulations far from the data, whatever the "
            "latent sites are",
            "give a few informative summaries: summaries=lambda data: data['y'].mean() ...",
        )
    ]


def check_weights(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Effective number of draws by the weights of the populations."""
    told = sentences(record.attrs.get("effective_sizes"))
    if not told:
        return []
    sizes = np.array([float(size) for size in told])
    few = bool(sizes.min() < min(limits.ess_per_chain, record.draws))
    return [
        Finding(
            "weights",
            "warning" if few else "note",
            f"{sizes.sum():.0f} of {record.chains * record.draws} draws are effective by their "
            f"weights, {sizes.min():.0f} in the worst population; Monte Carlo errors are those "
            "of so many.",
            "a few particles carry most of the weight" if few else "",
            "ask for more draws, which are the particles of a population" if few else "",
        )
    ] * bool(few or sizes.sum() < record.chains * record.draws - 0.5)


def check_populations(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Whether independent populations agree."""
    worst = table["r_hat"].max()
    if not worst > limits.r_hat:
        return []
    name = str(table["r_hat"].idxmax())
    return [
        Finding(
            "R-hat",
            "failure" if worst > FAR_APART else "warning",
            f"{worst:.3f} for `{name}` between {record.chains} independent populations.",
            "chance decides what a population of this size finds",
            f"ask for more draws than {record.draws}, which are the particles of a population",
        )
    ]
