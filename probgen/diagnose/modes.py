"""Several modes: chains that each mix where they are, but are apart from one another.

Told from slow mixing by looking at every chain alone. Where the modes are one and the same up to
an exchange of components, or a change of sign, that is said: it has a cure in the model.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.mixing import each_chain_mixes
from probgen.diagnose.reasons import chains_apart, several_modes, strongest_partner
from probgen.diagnose.record import Record
from probgen.diagnose.stranded import groups_by_density
from probgen.diagnose.words import brief, chains_named, quoted

WORTH_A_LOOK = 1.1  # R-hat
LOOKED_AT = 20  # scalars of the highest R-hat
ALIKE = 0.5  # spreads, between sorted means of chains that have exchanged their components


def check_modes(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Chains in different modes, and which scalars tell them apart."""
    if record.chains < 2 or "improper" in str(record.attrs.get("notes", "")):
        return []
    _, below, above, _ = groups_by_density(record)
    if below or above:
        return []
    parting = parting_scalars(record, table)
    if not parting:
        return []
    first, apart = parting[0]
    name = record.names[first]
    others = [chain for chain in range(record.chains) if chain not in apart]
    means = record.values[first].mean(axis=1)
    telling = [record.names[position] for position, _ in parting[1:]]
    also = f"; also apart in {quoted(telling)}" if telling else ""
    cause, advice = symmetry(record, record.sites[first])
    return [
        Finding(
            "several modes",
            "failure",
            f"{chains_named(apart)} at `{name}` {brief(float(means[apart].mean()))}, "
            f"{chains_named(others)} at {brief(float(means[others].mean()))}, while each chain "
            f"mixes where it is{also}.",
            cause,
            advice,
            {f"chain {chain}": float(means[chain]) for chain in range(record.chains)},
        )
    ]


def parting_scalars(record: Record, table: pd.DataFrame) -> list[tuple[int, list[int]]]:
    """Sampled scalars along which chains are apart though each mixes, clearest first."""
    high = np.where(record.latent, table["r_hat"].fillna(0.0), 0.0)
    found = []
    for position in np.argsort(-high, kind="stable")[:LOOKED_AT]:
        if high[position] < WORTH_A_LOOK:
            break
        draws = record.values[position]
        within = float(np.median(draws.std(axis=1, ddof=1)))
        apart = chains_apart(draws.mean(axis=1), within)
        if apart and each_chain_mixes(record, int(position)):
            found.append((int(position), apart))
    if found and strongest_partner_within(record, found[0][0]):
        return []
    return found


def strongest_partner_within(record: Record, position: int) -> bool:
    """Whether the scalar lies on a ridge with another, along which single chains move too."""
    partner, _ = strongest_partner(record, record.names[position])
    if not partner:
        return False
    line, other = record.values[position], record.values[record.names.index(partner)]
    centred = [values - values.mean(axis=1, keepdims=True) for values in (line, other)]
    a, b = (values.ravel() for values in centred)
    return bool(abs(a @ b) > 0.5 * np.sqrt((a @ a) * (b @ b)))


def symmetry(record: Record, site: str) -> tuple[str, str]:
    """Cause and advice: components exchanged, a sign turned, or just several modes."""
    members = record.of_site(site)
    members = members[record.moving[members]]
    means = record.values[members].mean(axis=2)
    within = np.median(record.values[members].std(axis=2, ddof=1), axis=1)[:, None]

    def same(values: np.ndarray) -> bool:
        return bool((np.ptp(values, axis=1) < ALIKE * np.median(within)).all())

    if same(np.abs(means)):
        return (
            f"the modes are mirror images: `{site}` has the other sign",
            f"fix a sign of `{site}` (a positive loading or first component), or look at "
            "quantities that do not depend on it",
        )
    if len(members) > 1 and same(np.sort(means, axis=0)):
        return (
            f"the modes are one and the same with the components of `{site}` exchanged (label "
            "switching)",
            f"order `{site}` (an ordered transform), or look at quantities that do not depend on "
            "the labels",
        )
    return (
        "the posterior has several modes and no chain crosses between them: how many chains are "
        "in each says where they started, not how much mass it has",
        several_modes(),
    )
