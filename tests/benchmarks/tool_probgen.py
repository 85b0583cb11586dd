"""probgen: the Pyro program handed to ``infer``; the DataTree it returns is under the clock.

Its pointwise log likelihood is computed too, as by default, although peers compute none.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from probgen import NUTS, infer

from .models import Model
from .outcome import Outcome, Run
from .pyro_programs import PROGRAMS, tensors

PACKAGES = ("probgen", "torch", "pyro-ppl")


def prepare(model: Model) -> Callable[[Run, int], xr.DataTree]:
    """The call a user makes; it traces and compiles the first time."""
    program, data = PROGRAMS[model.name], tensors(model)

    def sample(run: Run, seed: int) -> xr.DataTree:
        return infer(
            program,
            NUTS(),
            data=data,
            chains=run.chains,
            draws=run.draws,
            warmup=run.warmup,
            seed=seed,
            threads=1,
            progress=False,
            backend="native",  # fail rather than fall back
        )

    return sample


def read(tree: xr.DataTree, model: Model, run: Run) -> Outcome:
    """Draws and counts; raises when the sampler was not the compiled one."""
    if tree.attrs["engine"] != "native":
        raise RuntimeError(f"the sampler ran in {tree.attrs['engine']}: its build has failed")
    return Outcome(
        draws={site: tree["posterior"][site].values for site in model.latents},
        gradients_warmup=int(tree.attrs["gradient_evaluations_warmup"]),
        gradients=int(tree.attrs["gradient_evaluations"]),
        divergences=int(np.sum(tree["sample_stats"]["diverging"].values)),
    )
