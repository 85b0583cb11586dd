"""DataTree in, verdict out: draws are judged by `draws_verdict`, networks by `network_verdict`.

Each is imported when it is needed: what the other uses takes a second to import.
"""

import time
from collections.abc import Sequence
from typing import Any

from probgen.diagnose.finding import limits_from
from probgen.diagnose.network_record import follows_gradients, has_marginals
from probgen.diagnose.reading import are_files, read_files
from probgen.diagnose.verdict import Verdict
from probgen.errors import OptionError


def diagnose(
    tree: Any,
    *,
    interval: float = 0.9,
    superchains: int | Sequence[int] | None = None,
    **limits: float,
) -> Verdict:
    """Look at the results of a sampler and say what is wrong, where, and what to do.

    Parameters
    ----------
    tree: an `xarray.DataTree` with a posterior group (of probgen or any other library),
        anything `arviz_base` converts to one, or a path: of a store, a NetCDF file, or the CSV
        files of CmdStan's chains (a list, or a pattern). What the checks need and the tree lacks
        is said.
        Results on discrete networks are judged by their marginals: see `NetworkVerdict`.
    interval: probability of the equal-tailed interval in the summary table.
    superchains: for many short chains: how many groups of chains were started at a point of
        their own (chains that follow one another are a group), or the group of each chain. R-hat
        is then nested. By default a coordinate `superchain` of the chains, if there is one.
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
    OptionError: an unknown limit, an interval outside (0, 1), or groups of unequal size.

    Sources: Vehtari et al. (2021) for R-hat, ESS and their limits; Betancourt (2017) for
    divergences and E-BFMI; Margossian et al. (2024) for nested R-hat. The statistics are those of
    `arviz_stats`.

    """
    started = time.perf_counter()
    if not 0.0 < interval < 1.0:
        raise OptionError(f"diagnose: interval must lie between 0 and 1, got {interval}.")
    drawn = limits_from(limits)
    if are_files(tree):
        tree = read_files(tree)
    if has_marginals(tree) and not follows_gradients(tree):
        from probgen.diagnose.network_verdict import diagnose_network

        return diagnose_network(tree, drawn, started)
    from probgen.diagnose.draws_verdict import diagnose_draws

    return diagnose_draws(tree, interval, drawn, started, superchains)
