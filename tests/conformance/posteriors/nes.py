"""Party identification in the national election studies, by year."""

from tests.conformance.families.designs import design, level, of
from tests.conformance.families.regressions import flat_regression as program

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("nes1972-nes", "nes1984-nes", "nes1988-nes", "nes1992-nes", "nes1996-nes")
data = design(
    of("partyid7"),
    of("real_ideo"),
    of("race_adj"),
    *(level("age_discrete", code) for code in (2, 3, 4)),
    *(of(name) for name in ("educ1", "gender", "income")),
)
