"""Sites of a game that must be on both sides, and codes that guide, program or data must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from probgen.errors import DataError, ModelError, OptionError, ProbgenError
from probgen.learn.adversarial.checks.words import listed
from probgen.learn.adversarial.sides import Draw, Guide, Sides, has_density
from probgen.learn.variational.checks import is_factor
from probgen.learn.variational.run import Message, is_auxiliary, log_prob

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial

__all__ = [
    "check_codes",
    "check_guide_is",
    "check_guide_sites",
    "check_sites",
    "check_values",
    "tried",
]

Result = TypeVar("Result")


def tried(what: str, given: str, run: Callable[..., Result], *arguments: Any) -> Result:
    """What a run of program or guide gives; `ModelError` says which of them failed at what."""
    try:
        return run(*arguments)
    except ProbgenError:
        raise
    except Exception as error:
        words = str(error).splitlines()[0] if str(error) else ""
        raise ModelError(
            f"The {what} cannot be run with {given}: {type(error).__name__}: {words}"
        ) from error


def check_guide_is(method: Adversarial, sides: Sides, draw: Draw, guide: Guide | None) -> None:
    """Raise `ModelError` where a guide is needed and there is none."""
    wanted = [f"the site {code.site!r} is a code" for code in method.codes]
    wanted += [
        f"the site {name!r} of the game is in the program and not in the data"
        for name in sides.sites
        if name in draw.fake and name not in draw.given and name not in draw.batch
    ]
    if wanted and guide is None:
        raise ModelError(
            f"The game needs a guide, since {wanted[0]}: give the model a method or module "
            "`guide` that draws it given the data, or pass one, Adversarial(guide=...)."
        )
    if method.guide is not None and not wanted:
        raise OptionError(
            "Adversarial(guide=...): the data have all sites of the game "
            f"({listed(sides.sites)}), and there are no codes. Name the sites that the guide "
            "draws in sites, or leave it out."
        )


def check_sites(sides: Sides, draw: Draw, method: Adversarial) -> None:
    """Raise `ModelError` for sites of the game that one of the two sides lacks."""
    if not sides.sites:
        raise ModelError(
            "The program observes none of its sites, so that there is nothing to compare: pass "
            "the data to pyro.sample(..., obs=...), or name the sites, Adversarial(sites=...)."
        )
    for name in sides.sites:
        fake = name in draw.fake
        real = name in draw.given or name in draw.batch or name in draw.real
        if fake and not real:
            raise ModelError(
                f"The site {name!r} of the game is in the program only: neither the data "
                f"({listed(draw.batch)}) nor the guide ({listed(draw.real)}) have it. Give "
                "data for it, draw it in the guide, or leave it out of sites."
            )
        if not fake and name not in draw.batch:
            raise ModelError(
                f"The site {name!r} of the game is not in the program, which has "
                f"{listed(draw.fake)}: rename it, or leave it out of sites."
            )
    if sides.from_guide and not method.game.both:
        drawn = [n for n in sides.sites if n in draw.real and n not in draw.given]
        raise OptionError(
            f"Adversarial(game={type(method.game).__name__}()): the guide draws "
            f"{listed(drawn)} for the real side, and this game's program loss has no real side, "
            "so that the guide would learn nothing. Take game=pg.games.Bidirectional()."
        )


def check_codes(
    method: Adversarial, sides: Sides, draw: Draw, runs: Sequence[Mapping[str, Message]]
) -> None:
    """Raise `ModelError` for codes that guide, program or data lack, or that cannot be scored."""
    for code in method.codes:
        for run in runs:
            if code.site not in run:
                raise ModelError(
                    f"The code {code.site!r} is not in the guide, which draws {listed(run)}: "
                    f"draw it there given the data, pyro.sample({code.site!r}, ...)."
                )
            if not has_density(run[code.site]):
                raise ModelError(
                    f"The code {code.site!r} has no density in the guide (Implicit): give the "
                    "guide a distribution of it."
                )
            log_prob(run[code.site])
        if code.fake and code.site not in draw.fake:
            raise ModelError(
                f"The code {code.site!r} is not in the program, which has {listed(draw.fake)}: "
                "draw it there, or count it on data alone, Code(..., real=True, fake=False)."
            )
        if code.real and code.site not in draw.given and code.site not in draw.batch:
            raise ModelError(
                f"Code({code.site!r}, real=True) needs values in the data, which have "
                f"{listed(draw.batch)}: give them (-1 or NaN where a row has none)."
            )


def check_guide_sites(
    sides: Sides, draw: Draw, method: Adversarial, runs: Sequence[Mapping[str, Message]]
) -> None:
    """Raise `ModelError` for a site of the guide that nothing has a use for."""
    used = {*sides.sites, *draw.fake, *draw.batch, *(code.site for code in method.codes)}
    for run in runs:
        for name, message in run.items():
            if name not in used and not is_auxiliary(message) and not is_factor(message):
                raise ModelError(
                    f"The guide draws the site {name!r}, which is neither in the program "
                    f"({listed(draw.fake)}) nor in the game ({listed(sides.sites)}): rename it, "
                    "take it out, or mark it with infer={'is_auxiliary': True} if it only helps "
                    "to draw another."
                )


def check_values(sides: Sides, draw: Draw) -> None:
    """Raise `DataError` where the two sides of a site have rows of different shapes."""
    for name, real, fake in zip(sides.sites, *sides.values(draw), strict=True):
        if real.shape[1:] != fake.shape[1:] or len(real) != len(fake):
            raise DataError(
                f"The site {name!r} has shape {tuple(real.shape)} on the real side and "
                f"{tuple(fake.shape)} in the program, for {len(real)} rows: give the data the "
                "program's shape, and put the site into `with pyro.plate('case', len(x)):`."
            )
