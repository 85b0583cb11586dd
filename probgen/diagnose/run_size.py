"""Is the run long enough, and has it enough chains, for its statistics to mean anything?"""

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.words import count_of

FEWEST_DRAWS = 4  # arviz_stats gives no statistics below
SHORT_RUN = 100


def findings_on_size(chains: int, draws: int, limits: Limits) -> list[Finding]:
    """Too few chains for R-hat to compare, or too few draws for any statistic."""
    return [*_on_draws(draws), *_on_chains(chains, limits)]


def _on_draws(draws: int) -> list[Finding]:
    if draws < FEWEST_DRAWS:
        return [
            Finding(
                "draws",
                "failure",
                f"{count_of(draws, 'draw')} per chain: no R-hat, ESS or error can be computed.",
                advice="run longer: draws=1000",
            )
        ]
    if draws < SHORT_RUN:
        return [
            Finding(
                "draws",
                "note",
                f"{draws} draws per chain are few: ESS and R-hat are rough themselves.",
                advice="run longer: draws=1000",
            )
        ]
    return []


def _on_chains(chains: int, limits: Limits) -> list[Finding]:
    if chains >= limits.chains:
        return []
    lone = chains == 1
    return [
        Finding(
            "chains",
            "warning" if lone else "note",
            "1 chain: R-hat compares only the parts of this chain (split R-hat)."
            if lone
            else f"{chains} chains: R-hat is rough below {limits.chains:g}.",
            "a single chain cannot show that it has missed a mode" if lone else "",
            f"run {limits.chains:g} chains",
        )
    ]
