"""The dry run: every fault it looks for, by severity, site, words and cure."""

from __future__ import annotations

import io
import re

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch.distributions import constraints

import probgen as pg
from probgen import models
from probgen.declare.check import CheckReport, Problem
from probgen.errors import DataError, ModelError
from tests.declare.programs import PROGRAMS, TABLE, X, Y

NAN = float("nan")


def only(report: CheckReport, severity: str = "error") -> Problem:
    """The one problem of a report."""
    assert [problem.severity for problem in report.problems] == [severity], str(report)
    assert report.ok == (severity == "warning")
    return report.problems[0]


def expect(
    model, data=None, *, site: str | None, words: str, cure: str = "", severity: str = "error"
) -> None:
    """One problem, with these patterns in its message and its cure."""
    problem = only(pg.check(model, data), severity)
    assert problem.site == site
    assert re.search(words, problem.message), problem.message
    assert re.search(cure, problem.cure), problem.cure


def normal(y, location=0.0, scale=1.0, size=None):
    """Observes `y` around `mu` in a plate of its length or of another."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", size or len(y)):
        pyro.sample("y", dist.Normal(mu + location, scale), obs=y)


# ---- nothing wrong -------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - {"improper_sites"}))
def test_sound_programs_pass_without_a_word(name):
    report = pg.check(*PROGRAMS[name])
    assert report.problems == [], str(report)
    report.raise_if_failed()


LONG = ("hidden_markov", "susceptible_infected", "lotka_volterra", "capture_recapture")
ZOO = [
    pytest.param(n, marks=pytest.mark.slow) if n in LONG else n
    for n in models.names(learned=False)
]


PRIORS = ("funnel", "banana", "ring_mixture")


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_passes(name):
    model = models.load(name)
    report = pg.check(model.program, model.data)
    assert report.ok
    expected = ["observes nothing"] if name in PRIORS else []
    assert len(report.problems) == len(expected), str(report)


def test_report_of_a_sound_program_shows_its_sites():
    report = pg.check(*PROGRAMS["correlated"])
    assert report.program is not None
    lines = str(report).splitlines()
    assert lines[0] == "correlated: nothing wrong found."
    assert lines[2].split() == ["site", "kind", "distribution", "support", "shape", "plates"]
    assert lines[4].split() == ["scale", "latent", "HalfNormal", ">=", "0", "3"]
    assert " ".join(lines[5].split()) == "y observed MultivariateNormal real 4 x 3 row"


def test_float32_data_are_fine():
    y = Y.float()
    assert pg.check(normal, {"y": y, "scale": torch.ones(8, dtype=torch.float16)}).problems == []


def test_integers_and_booleans_may_be_observed():
    def model(count, flag):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        share = pyro.sample("share", dist.Beta(1.0, 1.0))
        with pyro.plate("n", len(count)):
            pyro.sample("count", dist.Poisson(rate), obs=count)
            pyro.sample("flag", dist.Bernoulli(share), obs=flag)

    assert pg.check(model, {"count": [0, 3, 1], "flag": [True, False, True]}).problems == []


# ---- names and kinds of data ---------------------------------------------------------------


def test_names_of_the_data():
    report = pg.check(normal, {"yy": Y})
    assert [(p.site, p.about) for p in report.problems] == [("yy", "data"), ("y", "data")]
    assert "Did you mean 'y'?" in report.problems[0].cure
    assert "needs 'y'" in report.problems[1].message
    with pytest.raises(DataError, match=r"(?s)'yy'.*needs 'y'"):
        report.raise_if_failed()


def test_faults_of_the_model_are_found_beside_an_unknown_name():
    report = pg.check(normal, {"y": Y, "z": 1, "scale": -1.0})
    assert [problem.site for problem in report.problems] == ["z", "y"]
    assert "scale" in report.problems[1].message


def test_unused_data():
    def model(y, x, n, flag, labels):
        normal(y)

    report = pg.check(model, {"y": Y, "x": X, "n": 3, "flag": True, "labels": "text"})
    assert report.ok
    assert [problem.site for problem in report.problems] == ["x", "n", "flag"]
    assert all("is not used" in problem.message for problem in report.problems)


def test_data_used_for_their_length_or_in_deterministic_sites_alone_are_used():
    def model(y, days, shift):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.deterministic("shifted", mu + shift)
        with pyro.plate("n", len(days)):
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    assert pg.check(model, {"y": Y, "days": torch.arange(8), "shift": 2.0}).problems == []


@pytest.mark.parametrize(
    ("data", "site", "words"),
    [
        ([Y], None, "must be a mapping"),
        ({"y": ["a", "b"]}, "y", "holds <U1 values"),
        ({"y": [[1.0], [2.0, 3.0]]}, "y", "ragged"),
    ],
)
def test_data_that_are_no_numbers(data, site, words):
    expect(normal, data, site=site, words=words)


# ---- observed values -----------------------------------------------------------------------


def positive(y):
    rate = pyro.sample("rate", dist.HalfNormal(1.0))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Exponential(rate), obs=y)


def test_observed_values_outside_the_support():
    report = pg.check(positive, {"y": [1.0, -0.3, 2.0, -4.0]})
    problem = only(report)
    assert problem.site == "y"
    assert "2 of 4 values are outside the support of Exponential (>= 0)" in problem.message
    assert "the first is y[1] = -0.3" in problem.message
    assert "wider support" in problem.cure
    with pytest.raises(DataError, match="outside the support"):
        report.raise_if_failed()


def categorical(y):
    p = pyro.sample("p", dist.Dirichlet(torch.ones(3)))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Categorical(p), obs=y)


def test_categories_coded_from_one():
    expect(
        categorical,
        {"y": [1, 3, 2, 3]},
        site="y",
        words=r"2 of 4 values are .* Categorical \(integer, 0 \.\. 2\); the first is y\[1\] = 3",
        cure="subtract 1",
    )


def test_counts_that_are_not_whole():
    def model(y):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        with pyro.plate("n", len(y)):
            pyro.sample("y", dist.Poisson(rate), obs=y)

    expect(model, {"y": [1.0, 2.5]}, site="y", words=r"1 of 2 values is .* y\[1\] = 2.5")


def test_compositions_that_do_not_add_up():
    def model(y):
        size = pyro.sample("size", dist.Gamma(2.0, 1.0))
        with pyro.plate("n", len(y)):
            pyro.sample("y", dist.Dirichlet(size * torch.ones(3)), obs=y)

    expect(
        model,
        {"y": [[0.2, 0.3, 0.5], [0.2, 0.3, 0.4]]},
        site="y",
        words=r"1 of 2 values is .* Dirichlet \(simplex\); .* y\[1\] = \[0.2, 0.3, 0.4\]",
        cure="Divide every vector by its sum",
    )


def test_missing_values():
    y = Y.clone()
    y[[2, 5]] = NAN
    expect(
        normal,
        {"y": y},
        site="y",
        cure="(?s)Drop.*mask.*impute",
        words=r"2 of 8 values are missing \(NaN\), the first at y\[2\]",
    )


def test_infinite_values():
    expect(
        normal,
        {"y": [0.0, -np.inf]},
        site="y",
        words=r"1 of 2 values is infinite, .*y\[1\]",
        cure="logarithm of 0",
    )


@pytest.mark.parametrize(
    ("model", "y", "words"),
    [
        (positive, [1.0, -0.3], r"y\[1\] = -0.3"),
        (normal, [1.0, NAN], "missing"),
        (normal, [np.inf], "infinite"),
        (categorical, [0, 3], "subtract 1"),
    ],
)
def test_infer_refuses_impossible_values_with_the_same_words(model, y, words):
    with pytest.raises(DataError, match=words):
        pg.infer(model, data={"y": y}, progress=False)


def test_infer_takes_values_that_a_moving_support_can_reach():
    tree = pg.infer(
        uniform,
        data={"y": [1.0, 2.0]},
        chains=1,
        draws=20,
        warmup=20,
        backend="eager",
        progress=False,
        seed=1,
    )
    assert (tree["posterior"]["high"] > 2.0).all()


def test_values_that_a_mask_leaves_out_do_not_count():
    def model(y):
        rate = pyro.sample("rate", dist.HalfNormal(1.0))
        with pyro.plate("n", len(y)), poutine.mask(mask=~y.isnan() & (y > 0)):
            pyro.sample("y", dist.Exponential(rate), obs=y)

    assert pg.check(model, {"y": [1.0, NAN, 2.0, -1.0]}).problems == []


def uniform(y):
    high = pyro.sample("high", dist.HalfNormal(3.0))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Uniform(0.0, high), obs=y)


def test_support_that_depends_on_latent_sites():
    report = pg.check(uniform, {"y": [1.0, 2.0]})
    assert report.ok
    assert "at" in report.problems[0].message
    assert "depends on latent sites" in report.problems[0].message


# ---- shapes --------------------------------------------------------------------------------


def column_mean(y):
    mu = pyro.sample("mu", dist.Normal(torch.zeros(8), 1.0).to_event(1))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu[:, None], 1.0), obs=y)


def wrong_event(y):
    mu = pyro.sample("mu", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, 1.0).to_event(1), obs=y)


def wrong_parameters(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, torch.ones(5)), obs=y)


SHAPES = {
    "too long for the plate": (
        normal,
        {"y": torch.randn(10), "size": 8},
        r"\(10,\) does not fit batch shape \(8,\).*plate 'n' of size 8",
        r"pyro.plate\('n', 10\)",
    ),
    "column of data": (
        normal,
        {"y": torch.randn(8, 1)},
        r"log densities of shape \(8, 8\)",
        "squeeze",
    ),
    "column of parameters": (
        column_mean,
        {"y": torch.randn(8)},
        r"log densities of shape \(8, 8\)",
        "squeeze",
    ),
    "event of another size": (
        wrong_event,
        {"y": torch.randn(8, 2)},
        r"shape \(8, 2\).*has shape \(3,\)",
        "to_event",
    ),
    "event of size one": (
        wrong_event,
        {"y": torch.randn(8, 1)},
        r"shape \(8, 1\).*has shape \(3,\)",
        "to_event",
    ),
    "event missing": (wrong_event, {"y": torch.tensor(1.0)}, r"shape \(\).*\(3,\)", "to_event"),
    "parameters against the plate": (
        wrong_parameters,
        {"y": torch.randn(8)},
        "size 5 in dimension -1, where plate 'n'",
        "plate 5 long",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit(name):
    model, data, words, cure = SHAPES[name]
    expect(model, data, site="y", words=words, cure=cure)


@pytest.mark.parametrize("name", SHAPES)
def test_infer_refuses_shapes_with_the_same_words(name):
    model, data, words, _ = SHAPES[name]
    with pytest.raises(ModelError, match=words):
        pg.infer(model, data=data, progress=False)


def test_one_value_observed_many_times():
    expect(
        normal,
        {"y": torch.ones(1), "size": 8},
        site="y",
        severity="warning",
        words="is observed 8 times",
        cure="out of the plate",
    )


def test_batch_dimensions_without_a_plate():
    def model(y):
        beta = pyro.sample("beta", dist.Normal(torch.zeros(3), 1.0))
        with pyro.plate("n", 8):
            pyro.sample("y", dist.Normal(beta.sum(), 1.0), obs=y)
        pyro.sample("z", dist.Normal(beta[0], 1.0), obs=y)

    report = pg.check(model, {"y": Y})
    assert report.ok
    assert [problem.site for problem in report.problems] == ["beta", "z"]
    assert "batch shape (3,), of which dimension -1 is covered by no plate" in str(
        report.problems[0].message
    )
    assert 'pyro.plate("...", 3, dim=-1)' in report.problems[0].cure
    assert ".to_event(1)" in report.problems[0].cure


def test_batch_dimension_left_of_a_plate_needs_a_plate():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("column", 3):
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    problem = only(pg.check(model, {"y": TABLE}), "warning")
    assert problem.cure == 'Wrap the site in pyro.plate("...", 4, dim=-2).'


# ---- structure -----------------------------------------------------------------------------


def subsampled(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", len(y), subsample_size=4) as index:
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y[index])


def subsampled_by_index(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", len(y), subsample=torch.arange(4)) as index:
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y[index])


def twice(y):
    pyro.sample("mu", dist.Normal(0.0, 1.0))
    normal(y)


def plate_twice(y):
    with pyro.plate("n", 3):
        pyro.sample("a", dist.Normal(0.0, 1.0))
    normal(y)


def plate_like_a_site(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("y", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def colliding(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("outer", 4, dim=-1), pyro.plate("n", 8, dim=-1):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def reentered(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    plate = pyro.plate("n", 8)
    with plate, pyro.poutine.block(hide=["n"]), pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def dimension_of_results(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("draw", 8):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def path_of_results(y):
    mu = pyro.sample("level/mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def parameter_and_site(y):
    pyro.param("mu", torch.tensor(1.0))
    normal(y)


STRUCTURE = {
    "subsample_size": (subsampled, "n", "4 of 8 elements", "Remove subsample_size"),
    "subsample": (subsampled_by_index, "n", "4 of 8 elements", "Remove"),
    "site twice": (twice, "mu", r"Two sites are named 'mu' \(at test_check.py:\d+\)", "own name"),
    "plate twice": (plate_twice, "n", "Two plates are named 'n'", "create it once"),
    "plate and site": (plate_like_a_site, "y", "A plate and a site are both named 'y'", "another"),
    "dimension": (colliding, "n", "'outer' and 'n' are nested and both use dim.* -1", "dim=-2"),
    "entered twice": (reentered, "n", "'n'", ""),
    "reserved": (dimension_of_results, "draw", "plate is named 'draw', which is a dim", "another"),
    "slash": (path_of_results, "level/mu", "a slash leads to another group", "'level.mu'"),
    "parameter": (parameter_and_site, "mu", "name 'mu' belongs to a param already", "another"),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_structure(name):
    model, site, words, cure = STRUCTURE[name]
    expect(model, {"y": Y}, site=site, words=words, cure=cure)


@pytest.mark.parametrize("name", STRUCTURE)
def test_infer_refuses_structure_with_the_same_words(name):
    model, _, words, _ = STRUCTURE[name]
    with pytest.raises(ModelError, match=words):
        pg.infer(model, data={"y": Y}, progress=False)


def test_empty_plate():
    expect(normal, {"y": Y[:0]}, site=None, words="size 0 at test_check.py", cure="not empty")


def test_discrete_latent_site():
    def model(y):
        z = pyro.sample("z", dist.Poisson(0.5))
        normal(y, location=z)

    expect(
        model,
        {"y": Y},
        site="z",
        words="'z' cannot be summed out: Poisson has infinitely many values",
        cure="Truncate it",
    )


def test_latent_site_without_a_transform():
    class Odd(dist.TorchDistribution):
        arg_constraints: dict = {}  # noqa: RUF012
        support = dist.constraints.sphere

        def sample(self, sample_shape=()):
            return torch.eye(2)[0]

        def log_prob(self, value):
            return torch.zeros(())

    def model():
        pyro.sample("s", Odd(torch.Size(), torch.Size([2])))

    problem = pg.check(model).errors[0]
    assert problem.site == "s"
    assert "cannot be mapped to the real line" in problem.message
    assert "ProjectedNormalReparam" in problem.cure


def test_nothing_to_infer():
    def model(y):
        pyro.sample("y", dist.Normal(0.0, 1.0).expand([8]).to_event(1), obs=y)

    expect(model, {"y": Y}, site=None, words="no latent site", cure="pyro.sample")


def test_nothing_observed():
    def model():
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    expect(model, site=None, words="observes nothing", severity="warning", cure="obs=")


def test_improper_priors():
    report = pg.check(*PROGRAMS["improper_sites"])
    assert report.ok
    assert not report.problems  # the data bound them all


def test_prior_masked_in_part():
    def model(y):
        with pyro.plate("n", 8):
            with poutine.mask(mask=torch.arange(8) < 6):
                mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

    expect(
        model,
        {"y": Y},
        site="mu",
        severity="warning",
        words="2 of its 8 values",
        cure="indexing",
    )


@pytest.mark.parametrize("thing", [3, None, "model"])
def test_no_program(thing):
    expect(thing, site=None, words="must be a Pyro program")


@pytest.mark.parametrize("plated", [False, True])
def test_no_distribution(plated):
    def model():
        with pyro.plate("n", 2) if plated else poutine.block(hide=[]):
            pyro.sample("mu", 3.0)

    expect(model, site="mu", words="'mu': pyro.sample needs a distribution .*not float")


# ---- parameters ----------------------------------------------------------------------------


def mixed_up(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, -torch.arange(8.0)).mask(True), obs=y)


def negative_event(y):
    pyro.sample("mu", dist.Normal(torch.zeros(3), torch.tensor([1.0, -2.0, 1.0])).to_event(1))
    normal(y)


def improbable(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Bernoulli(probs=1.5 + 0 * mu), obs=y > 0)


def missing_location(y):
    normal(y, location=torch.tensor(NAN))


def empty_interval(y):
    pyro.sample("b", dist.Uniform(2.0, 1.0))
    normal(y)


def bad_component(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    parts = dist.Normal(mu.expand(2), torch.tensor([1.0, -1.0]))
    with pyro.plate("n", 8):
        weights = dist.Categorical(torch.ones(2))
        pyro.sample("y", dist.MixtureSameFamily(weights, parts), obs=y)


PARAMETERS = {
    "scale": (
        mixed_up,
        "y",
        r"'scale' of Normal must be > 0; 8 of 8 values are not: scale\[0\] = -?0",
        "softplus",
    ),
    "scale in an event": (
        negative_event,
        "mu",
        r"1 of 3 values are not: scale\[1\] = -2",
        "HalfNormal",
    ),
    "probability": (improbable, "y", r"'probs' of Bernoulli must be \[0, 1\];.*1.5", "sigmoid"),
    "NaN": (missing_location, "y", r"'loc' of Normal must be real.*nan", "NaN"),
    "interval": (empty_interval, "b", "Uniform", ""),
    "component": (bad_component, "y", r"'scale' of Normal must be > 0; .*= -1", "positive"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_invalid_parameters(name):
    model, site, words, cure = PARAMETERS[name]
    problem = pg.check(model, {"y": Y}).errors[0]
    assert problem.site == site
    assert re.search(words, problem.message), problem.message
    assert re.search(cure, problem.cure), problem.cure


@pytest.mark.parametrize("name", PARAMETERS)
def test_infer_refuses_invalid_parameters(name):
    model, _, words, _ = PARAMETERS[name]
    with pytest.raises(ModelError, match=words):
        pg.infer(model, data={"y": Y}, progress=False)


def test_parameters_invalid_at_some_points():
    def model(y):
        scale = pyro.sample("scale", dist.Normal(0.0, 1.0))
        normal(y, scale=scale)

    problem = only(pg.check(model, {"y": Y}), "warning")
    assert problem.site == "y"
    assert "parameter 'scale' of Normal must be > 0" in problem.message
    assert "points tried" in problem.message


def test_validation_that_torch_does_itself_is_quoted():
    class Strict(dist.Normal):
        def __init__(self, loc, scale, validate_args=None):
            super().__init__(loc, scale, validate_args=validate_args)
            if self._validate_args and bool((self.scale > 10).any()):
                raise ValueError("scale is far too large")

    def model():
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("y", Strict(mu, 20.0), obs=torch.tensor(0.0))

    expect(model, site="y", words="ValueError at test_check.py:.*far too large")


# ---- values --------------------------------------------------------------------------------


def test_density_that_is_never_finite():
    def model(y):
        share = pyro.sample("share", dist.Beta(1.0, 1.0))
        with pyro.plate("n", len(y)):
            pyro.sample("y", dist.Beta(1.0 + share, 2.0), obs=y)

    expect(
        model,
        {"y": [0.5, 0.0]},
        site="y",
        words=r"is -inf; 1 of its 2 terms.*index \(1,\) the value 0 under Beta.*all 10 points",
        cure="edge of the support",
    )


def test_density_that_is_sometimes_nan():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.factor("bonus", mu.log())
        normal_sum = dist.Normal(mu, 1.0).expand([8]).to_event(1)
        pyro.sample("y", normal_sum, obs=y)

    problem = only(pg.check(model, {"y": Y}), "warning")
    assert problem.site == "bonus"
    assert "Factor 'bonus' is nan" in problem.message
    assert "of 10 points tried" in problem.message


def test_density_without_upper_bound():
    def model(y):
        size = pyro.sample("size", dist.HalfNormal(1.0))
        with pyro.plate("n", len(y)):
            pyro.sample("y", dist.Gamma(0.5 * size / (1 + size), 1.0), obs=y)

    expect(model, {"y": [0.0, 1.0]}, site="y", words="is inf", cure="upper bound")


def test_gradient_that_is_not_finite():
    def model(y):
        with pyro.plate("k", 2):
            b = pyro.sample("b", dist.Normal(0.0, 1.0))
        normal(y, location=torch.where(b[1] > 1e9, b[1].sqrt(), (b[1] * 0).abs().sqrt()))

    problem = only(pg.check(model, {"y": Y}))
    assert problem.site == "b"
    assert "derivative with respect to latent coordinate b[1]: nan" in problem.message


def test_gradient_that_is_cut():
    def model(y):
        mu = pyro.sample("m", dist.Normal(0.0, 1.0))
        normal(y, location=mu.detach())

    expect(
        model,
        {"y": Y},
        site="m",
        severity="warning",
        words="latent site 'm' is wrong: .*slope",
        cure="detach",
    )


def test_site_on_which_nothing_depends():
    def model(y):
        pyro.sample("flat", dist.ImproperUniform(constraints.real, (), ()))
        normal(y)

    report = pg.check(model, {"y": Y})
    assert report.ok
    assert [problem.site for problem in report.problems] == ["flat"]
    assert "does not depend on latent site 'flat'" in report.problems[0].message
    assert "improper" in report.problems[0].message


def test_constant_likelihood():
    def model(y):
        pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("n", len(y)):
            pyro.sample("y", dist.Normal(0.0, 1.0), obs=y)

    expect(model, {"y": Y}, site="y", severity="warning", words="'y' is the same whatever")


def test_matrix_that_is_not_positive_definite():
    def model():
        covariance = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
        pyro.sample("b", dist.MultivariateNormal(torch.zeros(2), covariance))

    expect(
        model,
        site="b",
        words="(?s)LinAlgError at test_check.py.*MultivariateNormal",
        cure="1e-6",
    )


# ---- runs ----------------------------------------------------------------------------------


def dice_in_torch(y):
    normal(y, location=torch.randn(8))


def dice_in_numpy(y):
    normal(y, location=float(np.random.randn()))


class Dropout(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, y):
        normal(y, location=self.drop(torch.ones(8)))


@pytest.mark.parametrize("model", [dice_in_torch, dice_in_numpy, Dropout()])
def test_random_numbers_outside_of_sites(model):
    expect(
        model,
        {"y": Y},
        site="y",
        words="random numbers outside pyro.sample",
        cure=r"pyro.sample.*\.eval\(\)",
    )
    with pytest.raises(ModelError, match="random numbers outside"):
        pg.infer(model, data={"y": Y}, progress=False)


def test_a_module_in_evaluation_mode_passes():
    model = Dropout()
    model.eval()
    assert pg.check(model, {"y": Y}).problems == []


def test_sites_that_come_and_go():
    def model(y):
        mu = pyro.sample("m", dist.Normal(0.0, 1.0))
        if mu > 0:
            mu = pyro.sample("extra", dist.Normal(mu, 1.0))
        normal(y, location=mu)

    expect(
        model,
        {"y": Y},
        site="extra",
        words=r"is in \d of \d runs.*control flow",
        cure="torch.where",
    )


def test_shapes_that_change():
    def model(y):
        size = pyro.sample("size", dist.Normal(0.0, 1.0))
        n = 2 + int(size > 0)
        pyro.sample("b", dist.Normal(0.0, 1.0).expand([n]).to_event(1))
        normal(y)

    expect(
        model,
        {"y": Y},
        site="b",
        words=r"changes its shape between runs: \(2,\) and \(3,\)",
        cure="data alone",
    )


# ---- failures ------------------------------------------------------------------------------


def test_program_that_raises():
    def model(y):
        pyro.sample("mu", dist.Normal(0.0, 1.0))
        raise KeyError("oops")

    report = pg.check(model, {"y": Y})
    problem = only(report)
    assert "'model' raises KeyError at test_check.py:" in problem.message
    assert 'raise KeyError("oops")' in problem.message
    with pytest.raises(ModelError, match="oops"):
        report.raise_if_failed()


def test_failure_names_the_site_of_its_line_and_leaves_pyros_table_out():
    def model(y):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(mu + torch.ones(3) @ torch.ones(4), 1.0), obs=y)

    problem = only(pg.check(model, {"y": Y}))
    assert problem.site == "y"
    assert "Trace Shapes" not in problem.message
    assert "RuntimeError at test_check.py" in problem.message


def test_failure_at_some_points():
    def model(y):
        mu = pyro.sample("m", dist.Normal(0.0, 1.0))
        factor = torch.linalg.cholesky(torch.eye(2) * (mu + 0.5))
        normal(y, location=factor.sum())

    problem = only(pg.check(model, {"y": Y}), "warning")
    assert "LinAlgError" in problem.message
    assert "of 10 points tried" in problem.message


def test_interrupts_pass():
    def model():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pg.check(model)


def test_several_faults_are_reported_at_once():
    def model(y, x, unused):
        beta = pyro.sample("beta", dist.Normal(torch.zeros(2), 1.0))
        z = pyro.sample("z", dist.Poisson(3.0))
        with pyro.plate("n", 8):
            pyro.sample("y", dist.LogNormal(x @ beta + z, 1.0), obs=y)

    report = pg.check(model, {"y": Y, "x": X, "unused": 1, "more": 2})
    assert {(p.severity, p.site) for p in report.problems} == {
        ("error", "more"),
        ("warning", "beta"),
        ("error", "z"),
        ("error", "y"),
    }


# ---- the report ----------------------------------------------------------------------------


def test_text_of_a_report():
    report = pg.check(positive, {"y": [1.0, -0.3]})
    assert str(report) == (
        "positive: 1 error.\n\n"
        "error: Observed site 'y': 1 of 2 values is outside the support of Exponential (>= 0); "
        "the first\n"
        "  is y[1] = -0.3.\n"
        "  cure: Check the data (units, transforms, codes for missing values), or take a "
        "distribution\n"
        "    with a wider support.\n\n"
        "site  kind      distribution  support  shape   plates\n"
        "rate  latent    HalfNormal    >= 0     scalar\n"
        "y     observed  Exponential   >= 0     2       n"
    )


def test_report_prints_in_a_terminal_with_its_brackets():
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(pg.check(positive, {"y": [1.0, -0.3]}))
    assert "y[1] = -0.3" in console.export_text()


def test_problems_are_values():
    problem = Problem("error", "y", "message", "cure")
    assert problem == Problem("error", "y", "message", "cure")
    with pytest.raises(AttributeError):
        problem.site = "z"


def test_same_seed_same_report():
    model, data = PROGRAMS["function"]
    assert str(pg.check(model, data, seed=3)) == str(pg.check(model, data, seed=3))
