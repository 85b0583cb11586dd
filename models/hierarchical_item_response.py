"""Item response, items from one population, abilities summed out.

Source: Bock and Aitkin (1981), "Marginal maximum likelihood estimation of item parameters",
Psychometrika 46:443-459; items as a population in Fox (2010), Bayesian Item Response
Modeling, chapter 4: log discrimination and difficulty are normal (non-centred). Persons with
the same answers are alike, so that counts of patterns are the data.
Data: 1000 persons answering five items of the Law School Admission Test, as in
`item_response`: Bock and Lieberman (1970), Psychometrika 35:179-197.
"""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS
from probgen.models.item_response import PATTERN_COUNTS

method = NUTS(target_accept=0.98)
PERSONS = sum(PATTERN_COUNTS)


def hierarchical_item_response(
    answers: torch.Tensor,
    nodes: torch.Tensor,
    log_weights: torch.Tensor,
    y: torch.Tensor | None = None,
) -> None:
    """`answers`: shape (pattern, item), 1 where right; `y`: persons by pattern, one event.

    `nodes`, `log_weights`: quadrature for the standard normal ability, shape (node,).
    """
    mean = pyro.sample("mean", dist.Normal(torch.tensor([0.0, -1.0]), 1.0).to_event(1))
    scale = pyro.sample("scale", dist.HalfNormal(torch.tensor([0.5, 1.0])).to_event(1))
    with pyro.plate("item", answers.shape[1]):
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        parameters = mean + scale * z
        discrimination = pyro.deterministic(
            "discrimination", parameters[..., 0].exp(), event_dim=0
        )
        difficulty = pyro.deterministic("difficulty", parameters[..., 1], event_dim=0)
    logits = discrimination * (nodes.unsqueeze(-1) - difficulty)  # (node, item)
    item = dist.Bernoulli(logits=logits).to_event(1)
    by_node = item.log_prob(answers.unsqueeze(-2)) + log_weights  # (pattern, node)
    probs = by_node.logsumexp(-1).exp()
    pyro.sample("y", dist.Multinomial(PERSONS, probs, validate_args=False), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 32 patterns of LSAT-6, and Gauss-Hermite quadrature with 15 nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    return {
        "answers": torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 5),
        "nodes": torch.as_tensor(nodes),
        "log_weights": torch.as_tensor(weights / weights.sum()).log(),
        "y": torch.tensor(PATTERN_COUNTS, dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mean[1]": (-0.2877, 0.0017, 0.1333, 0.0023),
    "mean[2]": (-1.7377, 0.0063, 0.5204, 0.005),
    "scale[1]": (0.1636, 0.0026, 0.1426, 0.0028),
    "scale[2]": (1.2769, 0.0055, 0.3922, 0.0045),
    "discrimination[1]": (0.8068, 0.0014, 0.1355, 0.0015),
    "discrimination[2]": (0.7321, 0.0011, 0.1117, 0.0011),
    "discrimination[3]": (0.7675, 0.001, 0.1218, 0.0014),
    "discrimination[4]": (0.7298, 0.0011, 0.1097, 0.001),
    "discrimination[5]": (0.7538, 0.001, 0.1124, 0.001),
    "difficulty[1]": (-3.4757, 0.0047, 0.4758, 0.0043),
    "difficulty[2]": (-1.3885, 0.0024, 0.2235, 0.0038),
    "difficulty[3]": (-0.32931, 0.00087, 0.10624, 0.00079),
}
