"""Eight schools as written, centred; the sampler moves in decentred effects.

The neck at small `tau` cannot be sampled with one step size. `LocScaleReparam` changes the
coordinates only: `theta` and its posterior stay.
"""

from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from probgen import NUTS
from probgen.models.eight_schools_centered import eight_schools_centered
from tests.conformance.families.designs import select

POSTERIORS = ("eight_schools-eight_schools_centered",)
METHOD = NUTS(target_accept=0.95)
program = reparam(eight_schools_centered, config={"theta": LocScaleReparam(centered=0.0)})
data = select("sigma", "y")
