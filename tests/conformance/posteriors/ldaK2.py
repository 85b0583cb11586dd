"""Latent Dirichlet allocation with two topics, all concentrations one."""

from tests.conformance.families.topics import SWITCHING, allocation
from tests.conformance.families.topics import words as data

__all__ = ["EXPLAINED", "POSTERIORS", "data", "program"]

POSTERIORS = (
    "three_docs1200-ldaK2",
    "three_men1-ldaK2",
    "three_men2-ldaK2",
    "three_men3-ldaK2",
)
EXPLAINED = SWITCHING
program = allocation(topics=2)
