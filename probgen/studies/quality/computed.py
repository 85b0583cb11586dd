"""Which metrics the table of sample quality has, and what computes each, some of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from probgen.diagnose.metrics import (
    Features,
    Score,
    c2st,
    density_coverage,
    energy_distance,
    fid,
    fid_infinity,
    kid,
    mmd,
    precision_recall,
    sliced_wasserstein,
)

__all__ = ["METRICS", "TOGETHER"]

_Computed = Callable[[Features, Features, int], Mapping[str, Score]]


def _one(name: str, metric: Callable[..., Score]) -> _Computed:
    return lambda real, fake, seed: {name: metric(real, fake, seed=seed)}


TOGETHER: dict[tuple[str, ...], _Computed] = {
    ("fid",): lambda real, fake, seed: {"fid": fid(real, fake)},
    ("fid_infinity",): _one("fid_infinity", fid_infinity),
    ("kid",): _one("kid", kid),
    ("precision", "recall"): lambda real, fake, seed: precision_recall(real, fake)._asdict(),
    ("density", "coverage"): lambda real, fake, seed: density_coverage(real, fake)._asdict(),
    ("c2st",): _one("c2st", c2st),
    ("mmd",): _one("mmd", mmd),
    ("energy_distance",): _one("energy_distance", energy_distance),
    ("sliced_wasserstein",): _one("sliced_wasserstein", sliced_wasserstein),
}
"""From the features of both sides, real and fake, and a seed."""

METRICS = (*(name for names in TOGETHER for name in names), "inception_score")
"""Names; the Inception score is of the fake cases alone."""
