"""Typed-in tables of the zoo against other copies of them and against published summaries."""

from __future__ import annotations

import csv
import importlib
import json

import numpy as np
import pytest
import torch

from probgen import models
from tests.reference_data import reference_data


def data_of(name: str) -> dict:
    return models.load(name).data


@pytest.mark.parametrize(
    ("name", "posterior"),
    [
        ("eight_schools", "eight_schools-eight_schools_noncentered"),
        ("eight_schools_centered", "eight_schools-eight_schools_centered"),
    ],
)
def test_eight_schools(name, posterior):
    path = reference_data("posteriordb", "with_reference", posterior, "data.json")
    theirs, ours = json.loads(path.read_text()), data_of(name)
    assert ours["y"].tolist() == theirs["y"]
    assert ours["sigma"].tolist() == theirs["sigma"]


def test_item_response():
    path = reference_data("posteriordb", "no_reference", "lsat_data-lsat_model", "data.json")
    theirs = json.loads(path.read_text())
    counts = np.diff(theirs["culm"], prepend=0)
    expected = np.repeat(np.array(theirs["response"]), counts, axis=0)
    np.testing.assert_array_equal(data_of("item_response")["y"].numpy(), expected)


def test_items_of_the_lsat_have_their_published_numbers_right():
    # Bock and Lieberman (1970): persons with the right answer to items 1 to 5.
    assert data_of("item_response")["y"].sum(0).tolist() == [924, 709, 553, 763, 870]


def test_baseball():
    path = reference_data("tabular", "EfronMorrisBB.txt")
    with path.open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    hits = sorted(int(row["Hits"]) for row in rows)
    assert sorted(data_of("beta_binomial")["hits"].tolist()) == hits


def test_stack_loss():
    from statsmodels.datasets import stackloss

    theirs = stackloss.load_pandas()
    ours = data_of("robust_regression")
    np.testing.assert_array_equal(ours["y"].numpy(), theirs.endog.to_numpy())
    x = theirs.exog.to_numpy()
    np.testing.assert_allclose(ours["x"].numpy(), (x - x.mean(0)) / x.std(0, ddof=1))


def test_dippers():
    path = reference_data("tabular", "dipper_capture_history.csv")
    rows = [tuple(map(float, line.split(",")[1:])) for line in path.read_text().split()]
    data = data_of("capture_recapture")
    assert sorted(map(tuple, data["captured"].tolist())) == sorted(rows)
    assert data["first"].tolist() == data["captured"].argmax(1).tolist()


def test_pelts_of_hare_and_lynx():
    path = reference_data(
        "posteriordb", "with_reference", "hudson_lynx_hare-lotka_volterra", "data.json"
    )
    theirs = json.loads(path.read_text())
    assert data_of("lotka_volterra")["y"].tolist() == [theirs["y_init"], *theirs["y"]]


def test_flow_of_the_nile():
    from statsmodels.datasets import nile

    flow = nile.load_pandas().data["volume"].to_numpy()
    np.testing.assert_allclose(100 * data_of("local_level")["series"].numpy(), flow)
    y = data_of("gaussian_process_regression")["y"].numpy()
    np.testing.assert_allclose(y, (flow - flow.mean()) / flow.std(ddof=1))


def test_miners():
    # Ashford (1959): 371 miners, of whom 289 healthy, 38 mild and 44 severe.
    assert data_of("ordered_regression")["y"].bincount().tolist() == [289, 38, 44]


def test_every_pair_of_teams_met_thirteen_times():
    games = data_of("bradley_terry")["games"]
    assert games.tolist() == [13] * 21


# Length and sum of each series, taken from the published tables.
CHECKSUMS = {
    ("stochastic_volatility", "CLOSING_PRICES"): (369, 176555),
    ("autoregression", "LYNX"): (114, 175334),
    ("varying_slopes", "WEIGHTS"): (150, 36398),
    ("varying_intercepts", "BOYS"): (64, 1598),
    ("varying_intercepts", "GIRLS"): (44, 996.5),
    ("negative_binomial", "PLACEBO"): (28 * 3, 2637),
    ("negative_binomial", "PROGABIDE"): (31 * 3, 2827),
    ("arma", "LEVEL"): (98, 56742.40),
    ("dose_response", "BEETLES"): (8, 481),
    ("dose_response", "KILLED"): (8, 291),
    ("gamma_poisson", "FAILURES"): (10, 75),
    ("gamma_poisson", "HOURS"): (10, 350.24),
    ("gaussian_mixture", "VELOCITIES"): (82, 1707910),
    ("hidden_markov", "EARTHQUAKES"): (107, 2072),
    ("poisson_gaussian_process", "DISASTERS"): (111, 191),
    ("susceptible_infected", "IN_BED"): (14, 1559),
    ("trend_and_seasonality", "PASSENGERS"): (144, 40363),
    ("weibull_survival", "PLACEBO"): (21, 182),
    ("weibull_survival", "TREATED"): (9, 109),
    ("weibull_survival", "TREATED_CENSORED"): (12, 250),
}


@pytest.mark.parametrize(("name", "table"), CHECKSUMS)
def test_checksum(name, table):
    values = np.array(getattr(importlib.import_module(f"probgen.models.{name}"), table))
    assert values.size == CHECKSUMS[name, table][0]
    assert values.sum() == pytest.approx(CHECKSUMS[name, table][1])


def test_weeks_of_remission_of_the_treated_sum_to_the_published_total():
    # Freireich et al. (1963): 9 relapses in 359 patient-weeks of treatment.
    data = data_of("weibull_survival")
    weeks = data["weeks"][data["treated"] == 1].sum() + data["censored_weeks"].sum()
    assert weeks == 359


def test_seizures():
    # Thall and Vail (1990): 59 patients, 31 of them on progabide.
    data = data_of("negative_binomial")
    assert (len(data["seizures"]), int(data["treated"].sum())) == (59, 31)
    assert data["seizures"].sum() == 1950


def test_lags_stand_before_their_value():
    from probgen.models.autoregression import lagged

    series = torch.arange(6.0)
    lags = lagged(series, order=2)
    assert lags["y"].tolist() == [2, 3, 4, 5]
    assert lags["past"].tolist() == [[1, 0], [2, 1], [3, 2], [4, 3]]
