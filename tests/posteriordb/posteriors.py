"""Every posterior of posteriordb that has reference draws, with its program and its data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from probgen import NUTS
from probgen.models.eight_schools import eight_schools
from probgen.models.eight_schools_centered import eight_schools_centered
from tests.posteriordb import programs
from tests.posteriordb.adapters import (
    Adapter,
    Data,
    centred_design,
    design,
    interaction,
    keep,
    lags,
    level,
    log,
    log_ratio,
    of,
    rename,
    times,
)
from tests.posteriordb.programs import blr, cauchy_regression, flat_regression
from tests.reference_data import reference_data


@dataclass(frozen=True)
class Posterior:
    """A program, what turns `data.json` into its keyword arguments, and options of `infer`.

    The options are what a practitioner would set: starting values where far ones lead to
    other modes, a higher target acceptance where the posterior's curvature varies.
    """

    program: Callable[..., None]
    adapt: Adapter
    options: dict[str, Any] = field(default_factory=dict)


def posterior_data(name: str) -> Data:
    """The program's keyword arguments; the calling test is skipped where data are absent."""
    path = reference_data("posteriordb", "with_reference", name, "data.json")
    return POSTERIORS[name].adapt(json.loads(path.read_text()))


def locate(parameter: str) -> tuple[str, tuple[int, ...]]:
    """Site and zero-based index of a scalar named as in Stan: `beta[2]` -> (`beta`, (1,))."""
    name, _, index = parameter.partition("[")
    return name, tuple(int(i) - 1 for i in re.findall(r"\d+", index))


_BUSH = ("diam1", "diam2", "canopy_height", "total_height", "density")
_NES = Posterior(
    flat_regression,
    design(
        of("partyid7"),
        of("real_ideo"),
        of("race_adj"),
        *(level("age_discrete", code) for code in (2, 3, 4)),
        *(of(name) for name in ("educ1", "gender", "income")),
    ),
)
_LOG_EARN = log("earn")
_BLR = Posterior(blr, rename(x="X", y="y"))

POSTERIORS: dict[str, Posterior] = {
    "arK-arK": Posterior(programs.autoregression, lags),
    "bball_drive_event_0-hmm_drive_0": Posterior(
        programs.drive_exponential,
        keep("u", "v", "alpha"),
        {"init": {"phi": [1.0, 3.0], "lambda": [0.1, 0.5]}},
    ),
    "bball_drive_event_1-hmm_drive_1": Posterior(
        programs.drive_normal, keep("u", "v", "alpha", "tau", "rho")
    ),
    "diamonds-diamonds": Posterior(programs.diamonds, centred_design),
    "earnings-earn_height": Posterior(flat_regression, design(of("earn"), of("height"))),
    "earnings-logearn_height": Posterior(flat_regression, design(_LOG_EARN, of("height"))),
    "earnings-logearn_height_male": Posterior(
        flat_regression, design(_LOG_EARN, of("height"), of("male"))
    ),
    "earnings-logearn_interaction": Posterior(
        flat_regression,
        design(_LOG_EARN, of("height"), of("male"), times(of("height"), of("male"))),
    ),
    "earnings-logearn_logheight_male": Posterior(
        flat_regression, design(_LOG_EARN, log("height"), of("male"))
    ),
    "eight_schools-eight_schools_centered": Posterior(eight_schools_centered, keep("sigma", "y")),
    "eight_schools-eight_schools_noncentered": Posterior(eight_schools, keep("sigma", "y")),
    "garch-garch11": Posterior(programs.garch, keep("y", "sigma1")),
    "gp_pois_regr-gp_pois_regr": Posterior(
        programs.gaussian_process, keep("x", "k"), {"method": NUTS(target_accept=0.95)}
    ),
    "hudson_lynx_hare-lotka_volterra": Posterior(
        programs.lotka_volterra,
        keep("y_init", "y"),
        {"init": {"theta": [0.5, 0.02, 0.9, 0.02], "z_init": [30.0, 5.0], "sigma": [0.4, 0.4]}},
    ),
    "kidiq-kidscore_momhs": Posterior(cauchy_regression, design(of("kid_score"), of("mom_hs"))),
    "kidiq-kidscore_momhsiq": Posterior(
        cauchy_regression, design(of("kid_score"), of("mom_hs"), of("mom_iq"))
    ),
    "kidiq-kidscore_momiq": Posterior(cauchy_regression, design(of("kid_score"), of("mom_iq"))),
    "kidiq_with_mom_work-kidscore_interaction_c": Posterior(
        flat_regression, interaction(None, None)
    ),
    "kidiq_with_mom_work-kidscore_interaction_c2": Posterior(
        flat_regression, interaction(0.5, 100.0)
    ),
    "kidiq_with_mom_work-kidscore_mom_work": Posterior(
        flat_regression,
        design(of("kid_score"), *(level("mom_work", code) for code in (2, 3, 4))),
    ),
    "low_dim_gauss_mix-low_dim_gauss_mix": Posterior(programs.gaussian_mixture, keep("y")),
    "mesquite-logmesquite": Posterior(
        flat_regression, design(log("weight"), *(log(name) for name in _BUSH), of("group"))
    ),
    "mesquite-logmesquite_logvas": Posterior(
        flat_regression,
        design(
            log("weight"),
            log("diam1", "diam2", "canopy_height"),
            log("diam1", "diam2"),
            log_ratio("diam1", "diam2"),
            log("total_height"),
            log("density"),
            of("group"),
        ),
    ),
    "mesquite-logmesquite_logvolume": Posterior(
        flat_regression, design(log("weight"), log("diam1", "diam2", "canopy_height"))
    ),
    "mesquite-mesquite": Posterior(
        flat_regression, design(of("weight"), *(of(name) for name in _BUSH), of("group"))
    ),
    "nes1972-nes": _NES,
    "nes1984-nes": _NES,
    "nes1988-nes": _NES,
    "nes1992-nes": _NES,
    "nes1996-nes": _NES,
    "sblrc-blr": _BLR,
    "sblri-blr": _BLR,
}
