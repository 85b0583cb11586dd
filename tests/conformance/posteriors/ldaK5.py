"""Latent Dirichlet allocation with five topics."""

from tests.conformance.families.topics import SWITCHING, allocation
from tests.conformance.families.topics import words as data

__all__ = ["EXPLAINED", "POSTERIORS", "data", "program"]

POSTERIORS = ("prideprejudice_chapter-ldaK5", "prideprejudice_paragraph-ldaK5")
EXPLAINED = SWITCHING
program = allocation(topics=5)
