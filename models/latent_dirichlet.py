"""Latent Dirichlet allocation: documents as mixtures of topics, every word's topic summed out.

Source: Blei, Ng and Jordan (2003), "Latent Dirichlet allocation", Journal of Machine Learning
Research 3:993-1022. Words of a document count, not their order. Topics are alike a priori, so
that chains may give them different numbers: one anchor word fixes which is which.
Data: 24 documents of 60 words over 12 words, drawn from three topics (seed 2003).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

DOCUMENTS, WORDS, LENGTH, TOPICS = 24, 12, 60, 3


def latent_dirichlet(
    anchors: torch.Tensor, documents: int, length: int, y: torch.Tensor | None = None
) -> None:
    """`anchors`: prior counts, shape (topic, word); `y`: word counts, shape (document, word)."""
    topics = anchors.shape[0]
    with pyro.plate("topic", topics):
        topic_words = pyro.sample("topic_words", dist.Dirichlet(anchors))
    with pyro.plate("document", documents):
        share = pyro.sample("share", dist.Dirichlet(0.5 * torch.ones(topics)))
        pyro.sample(
            "y", dist.Multinomial(length, probs=share @ topic_words, validate_args=False), obs=y
        )


def data() -> dict[str, torch.Tensor | int]:
    """The 24 documents."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2003)
        topics = torch.full((TOPICS, WORDS), 0.2, dtype=torch.float64)
        for topic in range(TOPICS):
            topics[topic, 4 * topic : 4 * topic + 4] = 4.0
        topics = dist.Dirichlet(topics).sample()
        share = dist.Dirichlet(torch.full((TOPICS,), 0.5).double()).expand([DOCUMENTS]).sample()
        y = dist.Multinomial(LENGTH, probs=share @ topics).sample()
    anchors = torch.full((TOPICS, WORDS), 0.5, dtype=torch.float64)
    anchors[range(TOPICS), range(0, 4 * TOPICS, 4)] = 5.0
    return {"anchors": anchors, "documents": DOCUMENTS, "length": LENGTH, "y": y}
