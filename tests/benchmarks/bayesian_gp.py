"""Fully Bayesian Gaussian processes: NUTS of probgen beside BoTorch's (NumPyro) and Pyro's.

``python -m tests.benchmarks.bayesian_gp`` fits BoTorch's sparse-axis model (SAAS; Eriksson and
Jankowiak 2021) to Hartmann's function of six variables among twenty: once as BoTorch fits it,
by NumPyro, in single (as it ships) and in double precision, and once by `pg.density` on a
torch function of the same density; the draws are loaded into the same BoTorch model and judged
by its predictions. A model written with GPyTorch's own modules and priors is then sampled as
it stands, beside Pyro's NUTS. Needs `pip install botorch numpyro` (see `--help` for sizes).
"""

import argparse
import math
import os
import tempfile
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import numpy as np
import pyro
import torch
from pyro import distributions as dist
from rich.console import Console
from rich.table import Table

import probgen as pg
from tests.benchmarks.convergence import convergence

WARMUP, DRAWS, KEPT = 512, 256, 16
SITES = ("kernel_tausq", "_kernel_inv_length_sq", "outputscale", "mean", "noise")


def cpu_seconds() -> float:
    """CPU seconds of this process and of the compilers it called."""
    return sum(os.times()[:4])


def hartmann(x: torch.Tensor) -> torch.Tensor:
    """Hartmann's function of the first six coordinates, negated."""
    from botorch.test_functions import Hartmann

    return Hartmann(dim=6, negate=True)(x[:, :6])


def data_set(n: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs in the unit cube and standardised values, (n, dim) and (n, 1)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, dim, dtype=torch.float64, generator=generator)
    noise = 0.01 * torch.randn(n, dtype=torch.float64, generator=generator)
    return x, ((hartmann(x) + noise) * 3.0 - 0.75).unsqueeze(-1)  # mean 0, deviation 1


def matern_covariance(x, lengthscale, outputscale, noise):
    """Matern-5/2 covariance of the rows of x with noise on the diagonal."""
    scaled = x / lengthscale
    squares = (scaled.unsqueeze(-2) - scaled.unsqueeze(-3)).square().sum(-1)
    root = math.sqrt(5.0) * squares.clamp_min(1e-30).sqrt()
    kernel = outputscale * (1.0 + root + root.square() / 3.0) * torch.exp(-root)
    return kernel + noise * torch.eye(len(x), dtype=x.dtype)


def saas_log_density(kernel_tausq, _kernel_inv_length_sq, outputscale, mean, noise, x, y):
    """The joint log density of BoTorch's SaasPyroModel, in torch."""
    prior = (
        dist.HalfCauchy(0.1).log_prob(kernel_tausq)
        + dist.HalfCauchy(1.0).log_prob(_kernel_inv_length_sq).sum()
        + dist.Gamma(2.0, 0.15).log_prob(outputscale)
        + dist.Normal(0.0, 1.0).log_prob(mean)
        + dist.Gamma(0.9, 10.0).log_prob(noise)
    )
    lengthscale = (kernel_tausq * _kernel_inv_length_sq).rsqrt()
    covariance = matern_covariance(x, lengthscale, outputscale, 1e-4 + noise)
    gaussian = dist.MultivariateNormal(mean.expand(len(x)), covariance)
    return prior + gaussian.log_prob(y)


def fit_probgen(x, y, seed):
    """Draws of the hyperparameters by probgen: dict of (chain, draw, ...), seconds, gradients."""
    sites = dict.fromkeys(SITES, "positive") | {
        "mean": (),
        "_kernel_inv_length_sq": ("positive", x.shape[-1]),
    }
    density = pg.density(saas_log_density, sites, name="saas")
    started, cpu = time.perf_counter(), cpu_seconds()
    tree = pg.infer(
        density, pg.NUTS(), data={"x": x, "y": y.squeeze(-1)}, chains=1, draws=DRAWS,
        warmup=WARMUP, seed=seed, progress=False,
    )  # fmt: skip
    seconds = cpu_seconds() - cpu, time.perf_counter() - started
    gradients = tree.attrs["gradient_evaluations"] + tree.attrs["gradient_evaluations_warmup"]
    return {n: tree.posterior[n].values for n in SITES}, seconds, gradients, tree.attrs["backend"]


def fit_numpyro(x, y, seed, double):
    """The same by BoTorch's own fit: its model, NumPyro's NUTS, dense metric, depth 6."""
    import jax
    from botorch.models.fully_bayesian import SaasFullyBayesianSingleTaskGP
    from numpyro.infer import MCMC, NUTS

    jax.config.update("jax_enable_x64", double)
    model = SaasFullyBayesianSingleTaskGP(x, y)
    started, cpu = time.perf_counter(), cpu_seconds()
    kernel = NUTS(model.pyro_model.sample, dense_mass=True, max_tree_depth=6)
    mcmc = MCMC(kernel, num_warmup=WARMUP, num_samples=DRAWS, progress_bar=True)
    mcmc.run(jax.random.PRNGKey(seed), extra_fields=("num_steps",))
    draws = {n: np.asarray(v)[None] for n, v in mcmc.get_samples().items()}
    seconds = cpu_seconds() - cpu, time.perf_counter() - started
    return {n: draws[n] for n in SITES}, seconds, None, "xla"


def predictive_scores(draws, x, y, test_x, test_y):
    """Root mean squared error and mean log density of held-out values, by BoTorch's model."""
    from botorch.models.fully_bayesian import SaasFullyBayesianSingleTaskGP

    def thinned(name):
        values = draws[name].reshape(-1, *draws[name].shape[2:])
        return torch.as_tensor(np.array(values[:: DRAWS // KEPT]), dtype=x.dtype)

    samples = {n: thinned(n) for n in ("outputscale", "mean", "noise")}
    inverse = thinned("kernel_tausq").reshape(-1, 1) * thinned("_kernel_inv_length_sq")
    samples["lengthscale"] = inverse.rsqrt()
    model = SaasFullyBayesianSingleTaskGP(x, y)
    model.load_mcmc_samples(samples)
    model.eval()
    with torch.no_grad():
        posterior = model.posterior(test_x, observation_noise=True)
        mean, variance = posterior.mean.squeeze(-1), posterior.variance.squeeze(-1)
        if mean.dim() > 1:
            mean = mean.mean(0)
        mixture = torch.distributions.Normal(mean, variance.mean(0).sqrt())
    error = (mean - test_y).square().mean().sqrt().item()
    return error, mixture.log_prob(test_y).mean().item()


def gpytorch_program(x, y):
    """GPyTorch's documented way: modules with priors, sampled by `pyro_sample_from_prior`."""
    import gpytorch
    from gpytorch.priors import GammaPrior, LogNormalPrior, NormalPrior

    class Regression(gpytorch.models.ExactGP):
        def __init__(self, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            base = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=x.shape[-1])
            self.covar_module = gpytorch.kernels.ScaleKernel(base)

        def forward(self, inputs):
            mean, covariance = self.mean_module(inputs), self.covar_module(inputs)
            return gpytorch.distributions.MultivariateNormal(mean, covariance)

    likelihood = gpytorch.likelihoods.GaussianLikelihood()
    model = Regression(likelihood).double()
    scale = LogNormalPrior(math.sqrt(2) + 0.5 * math.log(x.shape[-1]), math.sqrt(3))
    model.mean_module.register_prior("mean_prior", NormalPrior(0.0, 1.0), "constant")
    model.covar_module.base_kernel.register_prior("lengthscale_prior", scale, "lengthscale")
    model.covar_module.register_prior("outputscale_prior", GammaPrior(2.0, 0.15), "outputscale")
    likelihood.register_prior("noise_prior", LogNormalPrior(-4.0, 1.0), "noise")

    def program(x, y):
        with gpytorch.settings.fast_computations(False, False, False):
            sampled = model.pyro_sample_from_prior()
            pyro.sample("y", sampled.likelihood(sampled(x)), obs=y)

    return program


def time_gpytorch(x, y, seed):
    """Microseconds per gradient of the GPyTorch program: probgen's NUTS, Pyro's NUTS."""
    import gpytorch
    from pyro.infer import MCMC, NUTS

    program, outcome = gpytorch_program(x, y), {}
    cpu = cpu_seconds()
    tree = pg.infer(program, data={"x": x, "y": y}, chains=1, draws=DRAWS, warmup=WARMUP,
                    seed=seed, progress=False)  # fmt: skip
    gradients = tree.attrs["gradient_evaluations"] + tree.attrs["gradient_evaluations_warmup"]
    seconds = cpu_seconds() - cpu
    outcome["probgen"] = (seconds, gradients, summarise_draws(tree, seconds))
    pyro.set_rng_seed(seed)
    mcmc = MCMC(NUTS(program, max_tree_depth=6), num_samples=20, warmup_steps=20,
                disable_progbar=True)  # fmt: skip
    cpu, failure = cpu_seconds(), ""
    with gpytorch.settings.fast_computations(False, False, False):
        try:
            mcmc.run(x, y)
        except Exception as error:
            failure = f", then {type(error).__name__}"
    outcome["pyro"] = (cpu_seconds() - cpu, None, failure)
    return outcome, tree.attrs["backend"]


def summarise_draws(tree, seconds):
    """Smallest bulk ESS per second over all hyperparameters."""
    draws = {n: tree.posterior[n].values for n in tree.posterior.data_vars}
    return convergence(draws).ess_bulk / seconds


def main() -> None:
    """Run all and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=60, help="training points")
    parser.add_argument("--dim", type=int, default=20, help="input variables, 6 of them real")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="botorch")
    torch.set_num_threads(1)
    scratch = tempfile.TemporaryDirectory()
    os.environ["PROBGEN_CACHE"] = scratch.name  # the first call compiles
    x, y = data_set(options.points, options.dim, options.seed)
    test_x, test_y = data_set(500, options.dim, options.seed + 1)
    table = Table(title=f"SAAS, {options.points} points, {options.dim} inputs: {WARMUP} warm-up, "
                  f"{DRAWS} draws, 1 chain, compilation included")  # fmt: skip
    for heading in ("tool", "CPU s", "wall s", "min bulk ESS", "ESS / CPU s", "RMSE", "log dens."):
        table.add_column(heading, justify="left" if heading == "tool" else "right")
    runs = {
        "probgen, double, first call": lambda: fit_probgen(x, y, options.seed),
        "probgen, double, again": lambda: fit_probgen(x, y, options.seed),
        "BoTorch (NumPyro), single, as shipped": lambda: fit_numpyro(x, y, options.seed, False),
        "BoTorch (NumPyro), double": lambda: fit_numpyro(x, y, options.seed, True),
    }
    for label, fit in runs.items():
        draws, (cpu, wall), _, _ = fit()
        ess = convergence(draws).ess_bulk
        error, score = predictive_scores(draws, x, y, test_x, test_y.squeeze(-1))
        table.add_row(label, f"{cpu:.2f}", f"{wall:.2f}", f"{ess:.0f}", f"{ess / cpu:.1f}",
                      f"{error:.3f}", f"{score:.3f}")  # fmt: skip
    console = Console(width=120)
    console.print(table)
    outcome, backend = time_gpytorch(x, y.squeeze(-1), options.seed)
    seconds, gradients, rate = outcome["probgen"]
    console.print(
        f"GPyTorch's own modules, {options.dim} lengthscales: probgen ({backend}) "
        f"{WARMUP + DRAWS} iterations in {seconds:.2f} CPU s, {gradients} gradients, "
        f"{rate:.1f} ESS/s; Pyro's NUTS, depth 6, up to 40 "
        f"iterations in {outcome['pyro'][0]:.1f} CPU s{outcome['pyro'][2]}"
    )


if __name__ == "__main__":
    main()
