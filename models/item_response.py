"""Item response, two-parameter logistic (2PL): persons and items.

Source: Birnbaum (1968), in Lord and Novick, Statistical Theories of Mental Test Scores,
chapters 17-20. Abilities are standard normal, which fixes location and scale; positive
discriminations fix the sign.
Data: 1000 persons answering five items of the Law School Admission Test, section 6, as
counts of the 32 response patterns: Bock and Lieberman (1970), "Fitting a response model for
n dichotomously scored items", Psychometrika 35:179-197.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

# Persons per response pattern 00000, 00001, 00010, ..., 11111 (item 1 first, 1 = right).
PATTERN_COUNTS = [
    3, 6, 2, 11, 1, 1, 3, 4, 1, 8, 0, 16, 0, 3, 2, 15,
    10, 29, 14, 81, 3, 28, 15, 80, 16, 56, 21, 173, 11, 61, 28, 298,
]  # fmt: skip


def item_response(persons: int, items: int, y: torch.Tensor | None = None) -> None:
    """`y`: answers, shape (person, item), 1 where right; a person's answers are one event."""
    with pyro.plate("item", items):
        discrimination = pyro.sample("discrimination", dist.LogNormal(0.0, 0.5))
        difficulty = pyro.sample("difficulty", dist.Normal(0.0, 2.5))
    with pyro.plate("person", persons):
        ability = pyro.sample("ability", dist.Normal(0.0, 1.0))
        logits = discrimination * (ability.unsqueeze(-1) - difficulty)
        pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 1000 persons of LSAT-6, in the order of their patterns."""
    patterns = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 5)
    y = patterns.repeat_interleave(torch.tensor(PATTERN_COUNTS), dim=0)
    return {"persons": y.shape[0], "items": y.shape[1], "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "discrimination[1]": (0.8699, 0.0017, 0.2081, 0.0013),
    "discrimination[2]": (0.7313, 0.0012, 0.1685, 0.001),
    "discrimination[3]": (0.8367, 0.0016, 0.2012, 0.0024),
    "discrimination[4]": (0.7155, 0.0012, 0.1638, 0.001),
    "discrimination[5]": (0.7357, 0.0013, 0.1723, 0.001),
    "difficulty[1]": (-3.3774, 0.0061, 0.6913, 0.0064),
    "difficulty[2]": (-1.4196, 0.0023, 0.3062, 0.0028),
    "difficulty[3]": (-0.30633, 0.00058, 0.11102, 0.00073),
    "difficulty[4]": (-1.8919, 0.0034, 0.4036, 0.0053),
    "difficulty[5]": (-2.9753, 0.0055, 0.6247, 0.0067),
    "ability[1]": (-1.9059, 0.0033, 0.7985, 0.0048),
    "ability[2]": (-1.9099, 0.0034, 0.8012, 0.0046),
}
