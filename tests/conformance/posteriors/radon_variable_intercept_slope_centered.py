"""Radon: height and slope per county; slopes are sampled decentred."""

from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from tests.conformance.families.radon import centred, measurements, observe

POSTERIORS = (
    "radon_all-radon_variable_intercept_slope_centered",
    "radon_mn-radon_variable_intercept_slope_centered",
)
data = measurements("floor_measure")


def radon(log_radon, floor_measure, county, counties):
    alpha, beta = centred("alpha", counties), centred("beta", counties)
    observe(log_radon, alpha[county] + floor_measure * beta[county])


program = reparam(radon, config={"beta": LocScaleReparam(0.0)})
