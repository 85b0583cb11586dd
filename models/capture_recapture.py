"""Capture and recapture (Cormack-Jolly-Seber): survival of marked birds.

Source: Lebreton, Burnham, Clobert and Anderson (1992), "Modeling survival and testing
biological hypotheses using marked animals", Ecological Monographs 62:67-118. After its first
capture a bird survives from year to year, and is seen with some probability while alive;
whether it was alive when it was not seen is summed out, and recovered afterwards by exact
sampling. `survivors` counts the birds marked earlier that live in years 2 to 7.
Data: captures of 294 European dippers in seven years, 1981-1987: Marzolin (1988), in Lebreton
et al. (1992).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine

# Birds per history of captures, a digit per year.
HISTORIES = {
    "1111110": 1, "1111100": 1, "1111000": 2, "1101110": 1, "1100000": 6, "1010000": 2,
    "1000000": 9, "0111111": 2, "0111110": 1, "0111100": 3, "0111000": 2, "0110110": 1,
    "0110000": 11, "0100000": 29, "0011111": 2, "0011110": 2, "0011100": 6, "0011000": 12,
    "0010110": 1, "0010000": 29, "0001111": 8, "0001110": 7, "0001100": 11, "0001011": 1,
    "0001001": 2, "0001000": 16, "0000111": 16, "0000110": 9, "0000100": 16, "0000011": 23,
    "0000010": 23, "0000001": 39,
}  # fmt: skip


def capture_recapture(
    birds: int, years: int, first: torch.Tensor, captured: torch.Tensor | None = None
) -> None:
    """`first`: year of the first capture, shape (bird,); `captured`: 0 or 1, (bird, year)."""
    survival = pyro.sample("survival", dist.Beta(1.0, 1.0))
    detection = pyro.sample("detection", dist.Beta(1.0, 1.0))
    with pyro.plate("bird", birds):
        alive, survivors = torch.ones(birds), []
        for year in pyro.markov(range(1, years)):
            marked = first < year
            survives = torch.where(marked, alive * survival, torch.ones(()))
            alive = pyro.sample(
                f"alive_{year}", dist.Bernoulli(survives), infer={"enumerate": "parallel"}
            )
            seen = None if captured is None else captured[:, year]
            with poutine.mask(mask=marked):
                pyro.sample(f"captured_{year}", dist.Bernoulli(alive * detection), obs=seen)
            survivors.append((alive * marked).sum(-1))
    pyro.deterministic("survivors", torch.stack(survivors, -1))


def data() -> dict[str, torch.Tensor | int]:
    """The 294 birds."""
    rows = [[float(c) for c in history] for history, n in HISTORIES.items() for _ in range(n)]
    captured = torch.tensor(rows, dtype=torch.float64)
    return {
        "birds": len(rows),
        "years": captured.shape[1],
        "first": captured.argmax(1),
        "captured": captured,
    }


# Mean, its error, standard deviation, its error: by quadrature over a grid of 600 x 600.
reference = {
    "survival": (0.561652, 0.0, 0.025109, 0.0),
    "detection": (0.895516, 0.0, 0.028917, 0.0),
}
