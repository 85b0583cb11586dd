"""DataTree in, verdict out: draws are judged by `draws_verdict`, networks by `network_verdict`.

Each is imported when it is needed: what the other uses takes a second to import.
"""

import time
from typing import Any

from probgen.diagnose.finding import limits_from
from probgen.diagnose.network_record import has_marginals
from probgen.diagnose.verdict import Verdict
from probgen.errors import OptionError


def diagnose(tree: Any, *, interval: float = 0.9, **limits: float) -> Verdict:
    """Look at the results of a sampler and say what is wrong, where, and what to do.

    Parameters
    ----------
    tree: an `xarray.DataTree` with a posterior group (of probgen or any other library), or
        anything `arviz_base` converts to one. What the checks need and the tree lacks is said.
        Results on discrete networks are judged by their marginals: see `NetworkVerdict`.
    interval: probability of the equal-tailed interval in the summary table.
    limits: lines drawn by the checks, by the names of `Limits`: r_hat=1.01,
        ess_per_chain=100, mcse_share=0.1, divergence_share=0.01, bfmi=0.3, depth_share=0.01,
        acceptance_gap=0.1, repeat_share=0.9, chains=4.

    Returns
    -------
    Verdict
        Printable as text and by rich; `.trustworthy`, `.ok`, `.findings`, `.table`.

    Raises
    ------
    DataError: there are no posterior draws to look at.
    OptionError: an unknown limit, or an interval outside (0, 1).

    Sources: Vehtari et al. (2021) for R-hat, ESS and their limits; Betancourt (2017) for
    divergences and E-BFMI. The statistics are those of `arviz_stats`.

    """
    started = time.perf_counter()
    if not 0.0 < interval < 1.0:
        raise OptionError(f"diagnose: interval must lie between 0 and 1, got {interval}.")
    drawn = limits_from(limits)
    if has_marginals(tree):
        from probgen.diagnose.network_verdict import diagnose_network

        return diagnose_network(tree, drawn, started)
    from probgen.diagnose.draws_verdict import diagnose_draws

    return diagnose_draws(tree, interval, drawn, started)
