"""Latent Dirichlet allocation: documents as mixtures of topics.

Source: Blei, Ng and Jordan (2003), "Latent Dirichlet allocation", Journal of Machine Learning
Research 3:993-1022. Words of a document count, not their order. Topics are alike a priori, so
that chains would give them different numbers: each has an anchor word that no other topic uses
(Arora, Ge and Moitra 2012, "Learning topic models: going beyond SVD", FOCS 53:1-10).
Data: 24 documents of 100 words over 12 words, drawn from three topics (seed 2003).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

DOCUMENTS, WORDS, LENGTH, TOPICS = 24, 12, 100, 3


def latent_dirichlet(
    documents: int, topics: int, words: int, y: torch.Tensor | None = None
) -> None:
    """`y`: word counts, shape (document, word); the first words are the topics' anchors."""
    used = words - topics + 1  # by a topic: its anchor, and all that are no anchors
    with pyro.plate("topic", topics):
        used_words = pyro.sample("used_words", dist.Dirichlet(torch.ones(used)))
        anchors = used_words[..., :1] * torch.eye(topics)
        topic_words = torch.cat([anchors, used_words[..., 1:]], -1)
        pyro.deterministic("topic_words", topic_words, event_dim=1)
    with pyro.plate("document", documents):
        share = pyro.sample("share", dist.Dirichlet(torch.ones(topics)))
        counts = dist.Multinomial(LENGTH, probs=share @ topic_words, validate_args=False)
        pyro.sample("y", counts, obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 24 documents."""
    used = torch.ones(TOPICS, WORDS - TOPICS + 1, dtype=torch.float64)
    for topic in range(TOPICS):  # its anchor, and three words of its own
        used[topic, [0, 1 + 3 * topic, 2 + 3 * topic, 3 + 3 * topic]] = 8.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2003)
        used = dist.Dirichlet(used).sample()
        anchors = torch.diag(used[:, 0])
        share = dist.Dirichlet(torch.full((TOPICS,), 0.7).double()).expand([DOCUMENTS]).sample()
        y = dist.Multinomial(LENGTH, probs=share @ torch.cat([anchors, used[:, 1:]], 1)).sample()
    return {"documents": DOCUMENTS, "topics": TOPICS, "words": WORDS, "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "share[1,1]": (0.55746, 0.00031, 0.06848, 0.00036),
    "share[1,2]": (0.19072, 0.00028, 0.05908, 0.00031),
    "share[1,3]": (0.25182, 0.00025, 0.05602, 0.00031),
    "topic_words[1,1]": (0.194047, 8e-05, 0.016986, 8.6e-05),
    "topic_words[1,4]": (0.26712, 0.0001, 0.021465, 9.8e-05),
    "topic_words[1,5]": (0.241646, 9.9e-05, 0.02068, 0.0001),
}
