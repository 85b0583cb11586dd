"""Sites that the guide reads off the others: information, and labels.

Chen et al. (2016), "InfoGAN"; Odena, Olah and Shlens (2017), "Conditional image synthesis with
auxiliary classifier GANs"; Odena (2016) and Salimans et al. (2016) for labels of some rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from probgen.errors import OptionError
from probgen.learn.adversarial.value import Value, check_number, number_words
from probgen.learn.training.schedules import Schedule

__all__ = ["Code", "read_codes"]


@dataclass(frozen=True, repr=False)
class Code(Value):
    """A term -weight E[log guide(site | other sites)] (nats) of both players' losses.

    On fakes it is a lower bound of the information between the site and what the guide sees, up
    to the site's entropy. The program's parameters descend it in the program's step, the guide's
    in the critic's; those of a guide that draws a site of the game, in the program's.

    Args:
        site: its name; the guide draws it.
        weight: a number or a schedule.
        real: whether rows of the data count that have a value of the site; -1 in whole numbers,
            and NaN, stand for none.
        fake: whether rows of the program count.

    """

    site: str
    weight: float | Schedule = 1.0
    real: bool = False
    fake: bool = True

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        if not isinstance(self.site, str) or not self.site:
            raise OptionError(f"Code({self.site!r}): give the name of a site.")
        check_number(self, "weight")
        for name in ("real", "fake"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"Code({name}={getattr(self, name)!r}): True or False.")
        if not (self.real or self.fake):
            raise OptionError(f"Code({self.site!r}, real=False, fake=False): nothing is left.")

    @property
    def formula(self) -> str:
        """The term."""
        sides = " + ".join(
            f"E_{side}[log guide({self.site} | others)]"
            for side in ("real", "fake")
            if getattr(self, side)
        )
        return f"-{number_words(self.weight)} * [{sides}]"


def read_codes(given: Any) -> tuple[Code, ...]:
    """Codes of a tuple of them, of names, or of weights by name; raises `OptionError`."""
    if isinstance(given, Mapping):
        return tuple(Code(site, weight) for site, weight in given.items())
    if isinstance(given, (str, Code)):
        given = (given,)
    try:
        codes = tuple(Code(code) if isinstance(code, str) else code for code in given)
    except TypeError:
        codes = (given,)
    for code in codes:
        if not isinstance(code, Code):
            raise OptionError(
                f"Adversarial(codes={given!r}): give weights by site, as {{'c': 1.0}}, or Code "
                "values."
            )
    names = [code.site for code in codes]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"Adversarial(codes=...): the site {name!r} has two codes.")
    return codes
