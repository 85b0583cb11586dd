"""Latent Dirichlet allocation with five topics."""

from tests.conformance.families.topics import SWITCHING, allocation
from tests.conformance.families.topics import words as data

__all__ = ["DRAWS", "EXPLAINED", "POSTERIORS", "WARMUP", "data", "program"]

POSTERIORS = ("prideprejudice_chapter-ldaK5", "prideprejudice_paragraph-ldaK5")
EXPLAINED = SWITCHING
DRAWS = WARMUP = 30  # more would not make the chains agree
program = allocation(topics=5)
