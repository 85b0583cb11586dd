"""Item response of one parameter: five questions of the law school test."""

import numpy as np
import pyro
import pyro.distributions as dist

from tests.conformance.families.priors import normals

POSTERIORS = ("lsat_data-lsat_model",)


def program(answers):
    students, questions = answers.shape
    alpha = normals("alpha", questions, 0.0, 100.0)
    beta = pyro.sample("beta", dist.HalfNormal(100.0))
    with pyro.plate("student", students):
        theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
        logits = beta * theta.unsqueeze(-1) - alpha
        pyro.sample("answers", dist.Bernoulli(logits=logits).to_event(1), obs=answers)


def data(raw):
    """A row of answers per student, from patterns and their cumulated counts."""
    counts = np.diff([0, *raw["culm"]])
    return {"answers": np.repeat(np.array(raw["response"], dtype=float), counts, axis=0)}
