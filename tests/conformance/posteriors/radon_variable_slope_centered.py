"""Radon: one height, a slope per county; slopes are sampled decentred."""

from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from tests.conformance.families.radon import centred, coefficient, measurements, observe

POSTERIORS = ("radon_mn-radon_variable_slope_centered",)
data = measurements("floor_measure")


def radon(log_radon, floor_measure, county, counties):
    alpha, beta = coefficient("alpha"), centred("beta", counties)
    observe(log_radon, alpha + floor_measure * beta[county])


program = reparam(radon, config={"beta": LocScaleReparam(0.0)})
