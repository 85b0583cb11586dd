"""Paired comparisons (Bradley-Terry): strengths from who beat whom.

Source: Bradley and Terry (1952), "Rank analysis of incomplete block designs", Biometrika
39:324-345; Agresti, Categorical Data Analysis (2nd ed., 2002), section 10.6. Strengths are
drawn towards each other by a common scale.
Data: wins of the seven baseball teams of the American League East against each other in 1987,
both parks together: Agresti (2002), table 10.10.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]


def bradley_terry(
    teams: int,
    first: torch.Tensor,
    second: torch.Tensor,
    games: torch.Tensor,
    y: torch.Tensor | None = None,
) -> None:
    """Shape (pair,): the two teams, their games, and how many of these the first won."""
    scale = pyro.sample("scale", dist.HalfNormal(1.0))
    with pyro.plate("team", teams):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        strength = pyro.deterministic("strength", scale * z, event_dim=0)
    with pyro.plate("pair", len(first)):
        logits = strength[..., first] - strength[..., second]
        pyro.sample("y", dist.Binomial(games, logits=logits), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 21 pairs of the seven teams."""
    wins = torch.tensor(WINS, dtype=torch.float64)
    first, second = torch.triu_indices(len(TEAMS), len(TEAMS), offset=1)
    won, lost = wins[first, second], wins[second, first]
    return {"teams": len(TEAMS), "first": first, "second": second, "games": won + lost, "y": won}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "scale": (0.5883, 0.0018, 0.2336, 0.0023),
    "strength[1]": (0.4452, 0.0015, 0.3105, 0.0019),
    "strength[2]": (0.3232, 0.0015, 0.3089, 0.0019),
    "strength[3]": (0.2033, 0.0015, 0.303, 0.0019),
}
