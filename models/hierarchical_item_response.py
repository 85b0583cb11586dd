"""Item response with items drawn from a common population, their two parameters correlated.

Source: Fox and Glas (2001), "Bayesian estimation of a multilevel IRT model using Gibbs
sampling", Psychometrika 66:271-288; Gelman and Hill, Data Analysis Using Regression and
Multilevel/Hierarchical Models (2007), section 14.3. Non-centred, with an LKJ prior.
Data: 1000 persons answering five items of the Law School Admission Test, as in
`item_response`: Bock and Lieberman (1970), Psychometrika 35:179-197.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.models import item_response


def hierarchical_item_response(persons: int, items: int, y: torch.Tensor | None = None) -> None:
    """`y`: answers, shape (person, item), 1 where right; a person's answers are one event."""
    mean = pyro.sample("mean", dist.Normal(torch.tensor([0.0, -1.0]), 1.0).to_event(1))
    scale = pyro.sample("scale", dist.HalfNormal(torch.tensor([0.5, 1.0])).to_event(1))
    correlation = pyro.sample("correlation_cholesky", dist.LKJCholesky(2, 2.0))
    with pyro.plate("item", items):
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        parameters = mean + z @ (scale.unsqueeze(-1) * correlation).mT
        discrimination = pyro.deterministic(
            "discrimination", parameters[..., 0].exp(), event_dim=0
        )
        difficulty = pyro.deterministic("difficulty", parameters[..., 1], event_dim=0)
    with pyro.plate("person", persons):
        ability = pyro.sample("ability", dist.Normal(0.0, 1.0))
        logits = discrimination * (ability.unsqueeze(-1) - difficulty)
        pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 1000 persons of LSAT-6."""
    return item_response.data()
