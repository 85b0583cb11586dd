"""Eight schools, non-centred: the zoo's."""

from probgen import NUTS
from probgen.models.eight_schools import eight_schools as program
from tests.conformance.families.designs import select

__all__ = ["METHOD", "POSTERIORS", "data", "program"]

POSTERIORS = ("eight_schools-eight_schools_noncentered",)
METHOD = NUTS(target_accept=0.95)
data = select("sigma", "y")
