"""Reading programs: their sites, and densities against Pyro's own and against formulas."""

from __future__ import annotations

import copy

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.mcmc.util import initialize_model
from torch.distributions import Normal

import probgen as pg
from probgen.declare.program import Plate, Program, read_program
from probgen.errors import DataError, ModelError
from probgen.targets.density import EagerDensityWarning
from tests.declare.programs import BEYOND_PYRO, PROGRAMS, TABLE, X, Y

STANDARD = Normal(torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))


@pytest.fixture(autouse=True)
def empty_store():
    """Pyro's parameter store is global; Pyro's own potentials leave parameters in it."""
    yield
    pyro.clear_param_store()


@pytest.fixture
def double():
    """torch's default dtype is float64, as an independent computation needs it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def read(name: str) -> Program:
    return read_program(*PROGRAMS[name])


def points(program: Program) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    random = {
        site.name: torch.randn(site.unconstrained_shape, generator=generator, dtype=torch.float64)
        for site in program.of_kind("latent")
    }
    return [program.unconstrain(seed=5), random]


def pyro_log_density(model, data, unconstrained) -> float:
    if isinstance(model, torch.nn.Module):
        model = copy.deepcopy(model).double()
    with pyro.validation_enabled(False), torch.random.fork_rng():
        _, potential, _, _ = initialize_model(model, (), dict(data))
        return -float(potential(unconstrained).detach())


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - BEYOND_PYRO))
def test_density_is_that_of_pyro(name, double, monkeypatch):
    program = read(name)
    if name in ("scaled_module", "registered_module"):  # weights that a copy does not reach
        monkeypatch.setattr(
            torch.nn.Linear,
            "forward",
            lambda self, x: torch.nn.functional.linear(
                x, self.weight.double(), self.bias.double()
            ),
        )
    for unconstrained in points(program):
        ours = float(program.evaluate(unconstrained).log_density.detach())
        assert ours == pytest.approx(
            pyro_log_density(*PROGRAMS[name], unconstrained), rel=1e-9, abs=1e-9
        )


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_program_has_a_finite_density_and_gradient(name):
    program = read(name)
    unconstrained = {n: v.requires_grad_() for n, v in points(program)[1].items()}
    density = program.evaluate(unconstrained).log_density
    gradients = torch.autograd.grad(density, list(unconstrained.values()))
    assert density.isfinite()
    assert density.dtype == torch.float64
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_bounds_may_depend_on_other_sites():
    """Pyro's HMC keeps the bounds of the first run, so that a formula has to serve."""
    u, v = torch.tensor(0.4, dtype=torch.float64), torch.tensor(-0.3, dtype=torch.float64)
    evaluation = read("moving_support").evaluate({"high": u, "low": v})
    high = 1 + 2 * u.sigmoid()
    low = high * v.sigmoid()
    expected = (
        -np.log(2)
        + torch.log(2 * u.sigmoid() * (1 - u.sigmoid()))
        - high.log()
        + torch.log(high * v.sigmoid() * (1 - v.sigmoid()))
        + Normal(low, high).log_prob(Y / 10).sum()
    )
    assert evaluation.latent["low"] == pytest.approx(float(low))
    assert float(evaluation.log_density) == pytest.approx(float(expected), rel=1e-12)


def test_improper_sites_add_their_jacobian_alone():
    program = read("improper_sites")
    unconstrained = points(program)[1]
    mu, log_sigma = unconstrained["mu"], unconstrained["sigma"]
    expected = (
        log_sigma
        + Normal(mu, log_sigma.exp()).log_prob(Y).sum()
        + Normal(unconstrained["effect"], 1.0).log_prob(Y).sum()
    )
    assert float(program.evaluate(unconstrained).log_density) == pytest.approx(float(expected))


def test_mixture_site_moves_on_the_line_of_its_components():
    program = read("latent_mixture")
    assert program.sites["mu"].unconstrained_shape == ()
    mu = torch.tensor(0.2, dtype=torch.float64)
    slab = 0.5 * (Normal(0.0, 0.1).log_prob(mu).exp() + Normal(0.0, 2.0).log_prob(mu).exp())
    expected = slab.log() + Normal(mu, 1.0).log_prob(Y).sum()
    found = float(program.evaluate({"mu": mu}).log_density)
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_delta_site_is_deterministic_and_its_log_density_counts():
    program = read("delta_sites")
    assert program.sites["twice"].kind == program.sites["scale"].kind == "deterministic"
    mu = torch.tensor(0.7, dtype=torch.float64)
    evaluation = program.evaluate({"mu": mu})
    expected = STANDARD.log_prob(mu) - 3.0 + Normal(2 * mu, 3.0).log_prob(Y).sum()
    assert float(evaluation.log_density) == pytest.approx(float(expected))
    assert float(evaluation.deterministic["twice"]) == pytest.approx(1.4)


def test_observed_delta_is_no_deterministic_site():
    def model():
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Delta(mu), obs=torch.tensor(5.0))

    program = read_program(model)
    assert program.sites["y"].kind == "observed"
    assert float(program.evaluate({"mu": torch.tensor(0.0)}).log_density) == -np.inf


def test_weights_with_priors_are_latent_sites():
    program = read("pyro_module")
    assert [site.name for site in program.of_kind("latent")] == ["layer.weight", "layer.bias"]
    unconstrained = points(program)[1]
    weight, bias = unconstrained["layer.weight"], unconstrained["layer.bias"]
    expected = (
        STANDARD.log_prob(weight).sum()
        + STANDARD.log_prob(bias).sum()
        + Normal((X @ weight.T + bias).squeeze(-1), 1.5).log_prob(Y).sum()
    )
    found = float(program.evaluate(unconstrained).log_density)
    assert found == pytest.approx(float(expected), rel=1e-6)  # 1.5 goes through float32


def test_numbers_and_arrays_may_be_observed():
    program = read("plain_numbers")
    mu = torch.tensor(0.4, dtype=torch.float64)
    values = torch.tensor([3.0, 0.0, 1.0, 2.0], dtype=torch.float64)
    expected = STANDARD.log_prob(mu) + Normal(mu, 1.0).log_prob(values).sum()
    assert float(program.evaluate({"mu": mu}).log_density) == pytest.approx(float(expected))
    assert program.observed["one"].dtype == torch.float64


def test_values_imputed_by_obs_mask_have_a_proper_density():
    program = read("observed_in_part")
    unconstrained = points(program)[1]
    mu, missing = unconstrained["mu"], unconstrained["y_unobserved"]
    seen = Y > 0
    expected = (
        Normal(0.0, 5.0).log_prob(mu)
        + Normal(mu, 1.0).log_prob(Y[seen]).sum()
        - Y[seen].sum()
        + Normal(mu, 1.0).log_prob(missing[~seen]).sum()
        - 0.5 * missing[seen].square().sum()  # observed: nothing depends on these
    )
    assert float(program.evaluate(unconstrained).log_density) == pytest.approx(
        float(expected), rel=1e-6
    )


def test_masked_missing_values_leave_value_and_gradient_finite():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("n", len(y)), poutine.mask(mask=~y.isnan()):
            pyro.sample("y", dist.Gamma(mu.exp(), 1.0), obs=y)

    y = torch.tensor([0.5, float("nan"), 2.0])
    program = read_program(model, {"y": y})
    assert program.observed["y"].isnan().tolist() == [False, True, False]
    mu = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    density = program.evaluate({"mu": mu}).log_density
    (gradient,) = torch.autograd.grad(density, mu)
    kept = read_program(model, {"y": y[[0, 2]]})
    expected = kept.evaluate({"mu": mu.detach()}).log_density
    assert float(density.detach()) == pytest.approx(float(expected))
    assert gradient.isfinite()


def test_sites_of_a_program():
    program = read("nested_plates")
    assert list(program.sites) == ["mu", "effect", "y"]
    assert program.plates == {"column": Plate("column", 3), "row": Plate("row", 4)}
    y = program.sites["y"]
    assert (y.kind, y.distribution, y.support) == ("observed", "Normal", "real")
    assert (y.shape, y.event_dim, y.plates) == ((4, 3), 0, ("row", "column"))
    assert torch.equal(program.observed["y"], TABLE)


def test_shapes_of_transformed_and_event_sites():
    program = read("correlated")
    factor, scale, y = (program.sites[name] for name in ("factor", "scale", "y"))
    assert (factor.shape, factor.event_dim, factor.unconstrained_shape) == ((3, 3), 2, (3,))
    assert (scale.shape, scale.plates, scale.support) == ((3,), (), ">= 0")
    assert (y.shape, y.event_dim, y.plates) == ((4, 3), 1, ("row",))


def test_plate_without_size_takes_that_of_its_site():
    assert read("plate_without_size").plates == {"n": Plate("n", 8)}


def test_reparametrised_site_is_deterministic():
    program = read("reparametrised")
    assert program.name == "schools"
    assert program.sites["theta"].kind == "deterministic"
    assert [site.name for site in program.of_kind("latent")] == ["mu", "tau", "theta_decentered"]


def test_names_of_programs():
    assert [read(name).name for name in ("partial", "bound_method", "module", "scaled")] == [
        "normal_mean",
        "method",
        "Linear",
        "schools",
    ]


def test_parameters_stay_fixed_and_the_store_as_it_was():
    pyro.param("mine", torch.tensor(1.0))
    program, origin = read("fixed_parameter"), {"mu": torch.tensor(0.0)}
    program.evaluate(origin)
    assert set(pyro.get_param_store().keys()) == {"mine"}
    pyro.param("scale", torch.tensor(4.0))
    wide = float(program.evaluate(origin).log_prior["mu"])
    assert wide == pytest.approx(float(Normal(0.0, 4.0).log_prob(torch.tensor(0.0))), rel=1e-6)
    assert float(pyro.param("scale")) == 4.0


def test_program_written_in_float32_is_evaluated_in_float64():
    def narrow(y):
        y = y.float()
        copy = torch.zeros(8, dtype=torch.float32)
        copy[:] = y
        mu = pyro.sample("mu", dist.Normal(torch.tensor(0.0, dtype=torch.float32), 1.0))
        pyro.sample("y", dist.Normal(mu, 1.0).expand([8]).to_event(1), obs=copy.to(torch.half))

    mu = torch.tensor(1 / 3, dtype=torch.float64)
    found = float(read_program(narrow, {"y": Y}).evaluate({"mu": mu}).log_density)
    expected = STANDARD.log_prob(mu) + Normal(mu, 1.0).log_prob(Y).sum()
    assert found == pytest.approx(float(expected), rel=1e-14)


def test_network_weights_are_cast_and_stay_as_they_were():
    model, data = PROGRAMS["module"]
    program = read_program(model, data)
    scale = torch.tensor(0.2, dtype=torch.float64)
    weight = model.layer.weight.detach().double()
    mean = (X @ weight.T).squeeze(-1) + float(model.layer.bias)
    expected = (
        Normal(mean, scale.exp()).log_prob(Y).sum()
        + scale
        + (np.log(2) + STANDARD.log_prob(scale.exp()))
    )
    found = float(program.evaluate({"scale": scale}).log_density)
    assert found == pytest.approx(float(expected), rel=1e-13)
    assert model.layer.weight.dtype == torch.float32
    assert model.layer.weight.requires_grad


def branching(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    if mu > 0:
        mu = pyro.sample("extra", dist.Normal(mu, 1.0))
    pyro.sample("y", dist.Normal(mu, 1.0), obs=y[0])


def test_evaluation_refuses_sites_that_come_and_go():
    values = {"mu": torch.tensor(0.5), "extra": torch.tensor(0.0)}
    program = read_program(branching, {"y": Y})
    with pytest.raises(ModelError, match=r"'extra'.*changes from run to run"):
        program.evaluate({"mu": torch.tensor(0.5)})
    with pytest.raises(ModelError, match="'extra' is missing in a run"):
        program.evaluate({**values, "mu": torch.tensor(-0.5)})


def test_unconstrain_places_given_values():
    program = read("half_reparametrised")
    placed = program.unconstrain({"tau": 2.0, "mu": 0.5})
    assert float(placed["tau"]) == pytest.approx(np.log(2.0))
    assert float(placed["mu"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nu": 1.0}, "no latent site named 'nu'.*'?mu"),
        ({"tau": -1.0}, "'tau' lies outside the support of HalfCauchy \\(>= 0\\)"),
        ({"mu": [1.0, 2.0]}, "'mu' has shape \\(2,\\), the site has shape \\(\\)"),
    ],
)
def test_unconstrain_refuses(values, words):
    with pytest.raises(ModelError, match=words):
        read("half_reparametrised").unconstrain(values)


def test_a_model_must_be_callable():
    with pytest.raises(ModelError, match=r"must be a Pyro program.*not int"):
        read_program(3)


def test_names_of_the_data_must_fit():
    with pytest.raises(DataError, match=r"takes no argument named 'yy'.*'y'"):
        read_program(*PROGRAMS["function"][:1], {"y": Y, "yy": Y})
    with pytest.raises(DataError, match="'Linear' needs 'x'"):
        read_program(PROGRAMS["module"][0], {"y": Y})


def test_draws_that_overflow_do_not_refuse_a_program():
    """A wide prior reaches scales that round to zero; chains start nowhere near them."""

    def vague():
        x = pyro.sample("x", dist.Normal(-5000.0, 1000.0))
        pyro.sample("y", dist.Normal(0.0, x.exp()), obs=torch.tensor(0.1))

    assert read_program(vague).sites["x"].kind == "latent"


def analytic_mean(y: torch.Tensor, prior_scale: float) -> float:
    return float(y.sum() / (len(y) + prior_scale**-2))


@pytest.mark.parametrize(
    ("name", "backend"),
    [("observed_in_part", "native"), ("partial", "native"), ("plate_without_size", "eager")],
)
def test_infer_finds_the_posterior_mean(name, backend):
    model, data = PROGRAMS[name]
    draws = 500 if backend == "native" else 60
    tree = pg.infer(
        model,
        data=data,
        chains=2,
        draws=draws,
        warmup=draws,
        seed=1,
        backend=backend,
        progress=False,
    )
    seen = Y[Y > 0] if name == "observed_in_part" else Y
    prior = {"observed_in_part": 5.0, "partial": 2.0}.get(name, 1.0)
    mean, sd = analytic_mean(seen, prior), (len(seen) + prior**-2) ** -0.5
    found = tree["posterior"]["mu"].values
    assert tree.attrs["backend"] == backend
    assert abs(found.mean() - mean) < 5 * sd / np.sqrt(found.size / 8)
    assert found.std() == pytest.approx(sd, rel=0.35)
    assert not tree["sample_stats"]["diverging"].any()


@pytest.mark.parametrize("name", ["reparametrised", "moving_support", "module"])
def test_infer_runs_compiled_on_awkward_programs(name):
    model, data = PROGRAMS[name]
    tree = pg.infer(
        model, data=data, chains=1, draws=50, warmup=50, seed=1, backend="native", progress=False
    )
    assert all(np.isfinite(v.values).all() for v in tree["posterior"].data_vars.values())


def test_infer_stops_when_sites_come_and_go():
    with (
        pytest.raises(ModelError, match="'extra'"),
        pytest.warns(EagerDensityWarning, match="random value"),
    ):
        pg.infer(branching, data={"y": Y}, chains=1, draws=20, warmup=20, seed=1, progress=False)
