"""Pyro's own NUTS, in double precision, on a run short enough to end.

Full runs would take hours, so its effective sample size is only an order of magnitude. It
keeps no count of gradients: the leapfrog function that the kernel calls is counted instead.
"""

from collections.abc import Callable
from functools import partial

import pyro
import pyro.infer.mcmc.hmc
import pyro.infer.mcmc.nuts
import torch
from pyro.infer import MCMC, NUTS

from .models import Model
from .outcome import Outcome, Run
from .pyro_programs import PROGRAMS, tensors

PACKAGES = ("pyro-ppl", "torch")
_ITERATIONS = {"a": 150, "b": 100, "c": 100, "d": 30, "e": 30}


class _Counter:
    """Stands for ``velocity_verlet`` in Pyro's kernels and counts the gradients it takes."""

    def __init__(self) -> None:
        self.gradients = 0
        self.original = pyro.infer.mcmc.nuts.velocity_verlet

    def __call__(self, *args, **kwargs):
        self.gradients += kwargs.get("num_steps", args[5] if len(args) > 5 else 1)
        return self.original(*args, **kwargs)


def prepare(model: Model) -> Callable[[Run, int], tuple[MCMC, dict[str, int]]]:
    """Nothing is compiled: the program is run afresh at every gradient."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    pyro.enable_validation(False)
    counter = _Counter()
    pyro.infer.mcmc.nuts.velocity_verlet = counter
    pyro.infer.mcmc.hmc.velocity_verlet = counter
    data = tensors(model)

    def sample(run: Run, seed: int) -> tuple[MCMC, dict[str, int]]:
        pyro.set_rng_seed(seed)
        counts = {}
        counter.gradients = 0

        def note(kernel, draws, stage, iteration):
            if stage == "Warmup":
                counts["warmup"] = counter.gradients

        mcmc = MCMC(
            NUTS(partial(PROGRAMS[model.name], **data)),
            num_samples=run.draws,
            warmup_steps=run.warmup,
            num_chains=run.chains,
            disable_progbar=True,
            hook_fn=note,
        )
        mcmc.run()
        counts["draws"] = counter.gradients - counts["warmup"]
        return mcmc, counts

    return sample


def shorter_run(model: Model) -> Run:
    iterations = _ITERATIONS[model.name]
    return Run(chains=1, warmup=iterations, draws=iterations)


def first_run(run: Run) -> Run:
    return Run(chains=1, warmup=5, draws=5)


def read(result: tuple[MCMC, dict[str, int]], model: Model, run: Run) -> Outcome:
    mcmc, counts = result
    draws = mcmc.get_samples(group_by_chain=True)
    divergences = mcmc.diagnostics()["divergences"]
    return Outcome(
        draws={site: draws[site].numpy() for site in model.latents},
        gradients_warmup=counts["warmup"],
        gradients=counts["draws"],
        divergences=sum(len(iterations) for iterations in divergences.values()),
    )
