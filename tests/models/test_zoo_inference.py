"""Zoo models through `infer`: compiled, finite draws, references and published estimates."""

from __future__ import annotations

import numpy as np
import pytest

import probgen as pg
from probgen import models
from tests.conformance.reference import bound, compare, moments

QUICK = ("dose_response", "eight_schools", "gamma_poisson", "weibull_survival")
# Models that exist to show how sampling fails.
FAILING = {"banana", "bayesian_neural_network", "eight_schools_centered", "funnel", "ring_mixture"}
WITHOUT_OBSERVATIONS = {"banana", "funnel", "ring_mixture"}
# Uniform starts may lie where discriminations are so large that the likelihood is all steps; a
# chain stays there for ever (and `diagnose` says so).
STARTS = {"hierarchical_item_response": "prior"}


def infer(name: str, warmup: int, draws: int):
    model = models.load(name)
    return pg.infer(
        model.program,
        model.method,
        data=model.data,
        warmup=warmup,
        draws=draws,
        seed=1,
        init=STARTS.get(name, "uniform"),
        progress=False,
    )


def check_short_run(name: str) -> None:
    """Native, finite, and as far from the reference as Monte Carlo error allows."""
    tree = infer(name, 500, 500)
    assert tree.attrs["backend"] == "native"
    for group in ("posterior", "log_likelihood", "log_prior"):
        if group == "log_likelihood" and name in WITHOUT_OBSERVATIONS:
            continue
        for site, variable in tree[group].data_vars.items():
            assert variable.shape[:2] == (4, 500), site
            assert np.isfinite(variable.to_numpy()).all(), site
    assert np.isfinite(tree["sample_stats"]["lp"].to_numpy()).all()
    reference = models.load(name).reference or {}
    if name not in FAILING:
        known = {scalar: moments(*values) for scalar, values in reference.items()}
        rows = compare(tree, known, {})
        scores = {(row.parameter, s): abs(z) for row in rows for s, z in row.z_scores.items()}
        limit = bound(len(scores), 0.0001)
        assert {key: z for key, z in scores.items() if z > limit} == {}


def test_a_wrong_reference_would_be_noticed():
    tree = infer("eight_schools", 500, 500)
    mean, mean_error, sd, sd_error = models.load("eight_schools").reference["tau"]
    for wrong in ((mean + 1.5, mean_error, sd, sd_error), (mean, mean_error, 2 * sd, sd_error)):
        (row,) = compare(tree, {"tau": moments(*wrong)}, {})
        assert max(map(abs, row.z_scores.values())) > bound(8, 0.0001)


@pytest.mark.parametrize("name", QUICK)
def test_short_run(name):
    check_short_run(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in models.names(learned=False) if name not in QUICK]
)
def test_short_run_of_the_others(name):
    check_short_run(name)


def test_dimensions_are_named_by_plates():
    posterior = infer("eight_schools", 100, 100)["posterior"]
    assert posterior["theta"].dims == ("chain", "draw", "school")
    assert posterior["mu"].dims == ("chain", "draw")


# Classical estimates: maximum likelihood, or the book's posterior means, with what the
# weakly informative priors of the zoo may move them by.
PUBLISHED = [
    # BUGS Examples volume 2, Beetles: alpha -39.77, beta 22.13 at doses that are not centred.
    ("dose_response", "beta", 22.1, 0.5),
    ("dose_response", "alpha", -39.77 + 1.8 * 22.13, 0.1),
    # BUGS Examples volume 1, Pumps.
    ("gamma_poisson", "alpha", 0.70, 0.02),
    ("gamma_poisson", "beta", 0.93, 0.04),
    # Lebreton et al. (1992): constant survival 0.56, capture 0.90 in the dipper data.
    ("capture_recapture", "survival", 0.56, 0.01),
    ("capture_recapture", "detection", 0.90, 0.015),
    # Zucchini and MacDonald (2009), two states: 15.5 and 26.1 by maximum likelihood.
    ("hidden_markov", "rate", [15.4, 26.0], 0.5),
    # Carpenter (2018), with wider priors.
    ("lotka_volterra", "growth", [0.55, 0.80], 0.05),
    # Durbin and Koopman (2001): sqrt(1469) and sqrt(15099) by maximum likelihood, in 10^8 m^3.
    ("local_level", "sigma", 1.229, 0.05),
    # Efron and Morris (1975): the grand mean is 0.265.
    ("beta_binomial", "mean", 0.265, 0.01),
    # posteriordb, eight_schools: reference means.
    ("eight_schools", "mu", 4.4, 0.3),
    # Rizopoulos (2006), R package ltm, LSAT data: maximum marginal likelihood.
    ("item_response", "discrimination", [0.83, 0.72, 0.89, 0.69, 0.66], 0.1),
    ("item_response", "difficulty", [-3.36, -1.37, -0.28, -1.87, -3.12], 0.35),
    # Pinheiro and Bates (2000), Orthodont: slope 0.66 mm a year, boys 2.32 mm more.
    ("varying_intercepts", "beta", 0.66, 0.02),
    ("varying_intercepts", "gamma", 2.32, 0.15),
    # BUGS Examples volume 1, rats: 6.19 g a day, 242.7 g at day 22, sigma 6.1.
    ("varying_slopes", "mu_beta", 7 * 6.19, 0.7),
    ("varying_slopes", "mu_alpha", 242.7, 2.0),
    ("varying_slopes", "sigma", 6.1, 0.3),
    # Venables and Ripley, MASS (2002), section 13.2: survreg on gehan, 2.248, 1.267, 1/0.732.
    ("weibull_survival", "alpha", 2.248, 0.05),
    ("weibull_survival", "effect", 1.267, 0.08),
    ("weibull_survival", "shape", 1.366, 0.12),
]


@pytest.fixture(scope="module")
def posterior_means():
    """Posterior means by model, sampled once for all their variables."""
    known = {}

    def means(name: str):
        if name not in known:
            known[name] = infer(name, 1000, 1000)["posterior"].mean(("chain", "draw"))
        return known[name]

    return means


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variable", "estimate", "tolerance"), PUBLISHED)
def test_published_estimates(posterior_means, name, variable, estimate, tolerance):
    mean = posterior_means(name)[variable].to_numpy()
    np.testing.assert_allclose(mean, estimate, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "design", "tolerance"),
    [("autoregression", "past", 0.02), ("linear_regression", "x", 2.0)],
)
def test_normal_regressions_fit_like_least_squares(posterior_means, name, design, tolerance):
    data, means = models.load(name).data, posterior_means(name)
    x, y = data[design].numpy(), data["y"].numpy()
    x = np.column_stack([np.ones(len(y)), x])
    ours = x @ np.append(means["alpha"].to_numpy(), means["beta"].to_numpy())
    theirs = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < tolerance


@pytest.mark.slow
def test_robust_regression_finds_the_outliers_of_the_stack_loss_data(posterior_means):
    data = models.load("robust_regression").data
    means = posterior_means("robust_regression")
    fitted = float(means["alpha"]) + data["x"].numpy() @ means["beta"].to_numpy()
    residuals = np.abs(data["y"].numpy() - fitted)
    assert set(np.argsort(residuals)[-4:] + 1) == {1, 3, 4, 21}
