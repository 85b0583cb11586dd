"""Are the chains what chains should be? Finite, moving, different from each other, enough.

These are the checks a reader forgets because they never fail, until they do: a draw that is not
a number, a chain that never left its start, two chains that are copies, a single chain.
"""

from hashlib import blake2b

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.record import Record
from probgen.diagnose.run_size import FEWEST_DRAWS, findings_on_size
from probgen.diagnose.settings import smaller_steps
from probgen.diagnose.words import chains_named, percent, quoted, s_of


def check_finite(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Draws that are NaN or infinite."""
    bad = np.flatnonzero(~record.finite)
    if not len(bad):
        return []
    share = (~np.isfinite(record.values[bad])).mean(axis=(1, 2))
    order = np.argsort(-share)
    names = [record.names[i] for i in bad[order]]
    sampled = bool(record.latent[bad].any())
    return [
        Finding(
            "non-finite draws",
            "failure" if sampled else "warning",
            f"{quoted(names)}: up to {percent(float(share.max()))} of the draws are NaN or "
            "infinite, so that there are no statistics.",
            "a value overflowed or left the domain of a function (log of 0, 0/0)",
            "bound the site's support or prior, or compute it on the log scale; "
            "`probgen check` names the place",
            dict(zip(names, share[order].tolist(), strict=True)),
        )
    ]


def check_constant(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Scalars with one value in all chains: fine for fixed parts, said for the reader."""
    fixed = np.flatnonzero(record.constant)
    if not len(fixed):
        return []
    names = [record.names[i] for i in fixed]
    everything = not record.moving.any() and record.draws > 1
    return [
        Finding(
            "constants",
            "failure" if everything else "note",
            f"{quoted(names)} {'has' if len(names) == 1 else 'have'} one and the same value in "
            "every draw of every chain" + (": nothing moves." if everything else "."),
            "every proposal was rejected, or nothing was sampled" if everything else "",
            "check the model (`probgen check`), the data and the starts" if everything else "",
            {record.names[i]: float(record.values[i, 0, 0]) for i in fixed},
        )
    ]


def check_stuck(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Chains that hardly ever move, and single scalars that stand still in one chain."""
    if record.draws < FEWEST_DRAWS or not record.moving.any():
        return []
    repeats, standing = movement(record)
    stuck = [int(chain) for chain in np.flatnonzero(repeats > limits.repeat_share)]
    if stuck and repeats.min() < 1 and only_whole(record):
        stuck = []  # of rare events alone, long runs of equal draws are no rejections
    findings = []
    if stuck:
        findings.append(
            Finding(
                "stuck chains",
                "failure",
                f"{chains_named(stuck, record.chains)}: {percent(float(repeats[stuck].min()))}"
                f"{' or more' if repeats[stuck].min() < 1 else ''} of the draws repeat the one "
                "before.",
                "nearly every proposal is rejected: the step size is far too large there, or the "
                "density is not finite around that point",
                "start elsewhere (init) or give a longer warm-up; if it stays, "
                f"{smaller_steps(record) or 'reparametrise'}",
                {f"chain {chain}": float(repeats[chain]) for chain in stuck},
            )
        )
    standing = [(scalar, chain) for scalar, chain in standing if chain not in stuck]
    if standing:
        names = [record.names[scalar] for scalar, _ in standing]
        chains = {chain for _, chain in standing}
        findings.append(
            Finding(
                "stuck parameters",
                "failure",
                f"{quoted(dict.fromkeys(names))} never move{s_of(set(names))} in "
                f"{chains_named(sorted(chains))}, unlike elsewhere.",
                "a discrete or bounded value caught at one place, or a flat direction at an edge",
                "start elsewhere (init), or give the site a smoother form away from its bound",
                dict.fromkeys(names, 0.0),
            )
        )
    return findings


def movement(record: Record) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Share of each chain's draws equal to the one before, and (scalar, chain) that stand still.

    Whole numbers may rightly stay at one value (a rare event), and so may functions of others:
    they are not listed.
    """

    def look(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
        equal = values[:, :, 1:] == values[:, :, :-1]
        still = equal.all(axis=2) & record.latent[rows][:, None]
        if still.any():
            still &= fractional(values)[:, None]
        standing = [(int(rows[row]), int(chain)) for row, chain in np.argwhere(still)]
        return equal.all(axis=0), standing

    seen = record.by_block(np.flatnonzero(record.moving), look)
    same = np.logical_and.reduce([part for part, _ in seen])
    return same.mean(axis=1), [one for _, standing in seen for one in standing]


def only_whole(record: Record) -> bool:
    """Whether all draws are whole numbers: counts, states."""
    parts = record.by_block(np.flatnonzero(record.moving), lambda _, values: fractional(values))
    return not np.concatenate(parts).any()


def fractional(values: np.ndarray) -> np.ndarray:
    """Mask (parameter,): not all draws are whole numbers."""
    return np.asarray((values != np.round(values)).any(axis=(1, 2)))


def check_copies(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Chains that are copies of one another: the same seed used twice."""
    if record.chains < 2 or record.draws < FEWEST_DRAWS or not record.moving.any():
        return []

    def look(_: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, list[bytes]]:
        moves = (values != values[:, :, :1]).any(axis=(0, 2))
        prints = [
            blake2b(values[:, chain].tobytes(), digest_size=16).digest()
            for chain in range(record.chains)
        ]
        return moves, prints

    seen = record.by_block(np.flatnonzero(record.moving), look)
    moves = np.logical_or.reduce([part for part, _ in seen])
    prints = [b"".join(part) for part in zip(*(part for _, part in seen), strict=True)]
    first = {fingerprint: chain for chain, fingerprint in reversed(list(enumerate(prints)))}
    copies = [chain for chain, mark in enumerate(prints) if moves[chain] and first[mark] < chain]
    if not copies:
        return []
    return [
        Finding(
            "copied chains",
            "failure",
            f"{chains_named(copies)} repeat{s_of(copies)} another chain draw by draw.",
            "chains were started with the same seed and start: R-hat and ESS count them twice",
            "give every chain its own seed",
            {f"chain {chain}": 1.0 for chain in copies},
        )
    ]


def check_enough(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Too few chains for R-hat to compare, or too few draws for any statistic."""
    return findings_on_size(record.chains, record.draws, limits)
