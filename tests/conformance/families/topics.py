"""Latent Dirichlet allocation, the topics of words summed out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyro
import pyro.distributions as dist
import torch

SWITCHING = (
    "topics have no order, and which topic a chain calls the first is an accident of its start"
)


def words(raw):
    """How often each `word` stands in each `document`; concentrations, one where not given."""
    pairs = np.stack([raw["doc"], raw["w"]], axis=1) - 1
    unique, count = np.unique(pairs, axis=0, return_counts=True)
    return {
        "document": unique[:, 0],
        "word": unique[:, 1],
        "count": count.astype(np.float64),
        "documents": raw["M"],
        "alpha": np.array(raw.get("alpha", 1.0)),
        "beta": np.array(raw.get("beta", [1.0] * raw["V"])),
    }


def allocation(topics: int) -> Callable[..., None]:
    """The model with so many topics."""

    def program(document, word, count, documents, alpha, beta):
        with pyro.plate("documents", documents):
            theta = pyro.sample("theta", dist.Dirichlet(alpha * torch.ones(topics)))
        with pyro.plate("topics", topics):
            phi = pyro.sample("phi", dist.Dirichlet(beta))
        likelihood = (theta[document] * phi.T[word]).sum(-1)
        pyro.factor("words", torch.dot(count, likelihood.log()))

    return program
