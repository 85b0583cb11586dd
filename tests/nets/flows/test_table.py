"""Tables of mixed types: read, modelled, drawn anew; two-sample tests; anomalies."""

import numpy as np
import pandas as pd
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.errors import DataError
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.model import FlowModel
from probgen.nets.flows.schema import TableSchema
from probgen.nets.flows.table import TableFlow


def people(rows, seed=0):
    """A colour, a size that depends on it, a count that depends on the size, and a flag."""
    random = np.random.default_rng(seed)
    colour = random.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2])
    size = pd.Series(colour).map({"red": 1.0, "green": 4.0, "blue": -3.0}).to_numpy()
    size = size + random.normal(size=rows)
    count = random.poisson(np.exp(2.5 + 0.2 * size))
    flag = random.random(rows) < 1 / (1 + np.exp(-3 * (colour == "red") + 1.5))
    columns = {"colour": colour, "size": size, "count": count, "flag": flag}
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def fitted():
    train = people(4000)
    schema = TableSchema.of(train)
    model = TableFlow(schema, "nsf", (32, 32), transforms=1)
    method = MaximumLikelihood(learning_rate=pg.schedules.Cosine(4e-3))
    data = schema.encode(train)
    return pg.fit(model, method, data=data, epochs=12, batch_size=200, seed=1, progress=False)


def test_columns_are_read_and_written_back():
    table = people(50)
    schema = TableSchema.of(table)
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds == {
        "colour": "categorical", "size": "continuous", "count": "integer", "flag": "categorical",
    }  # fmt: skip
    again = schema.decode(schema.encode(table))
    assert list(again.columns) == list(table.columns)
    pd.testing.assert_frame_equal(again, table, check_dtype=False, rtol=1e-5)
    table.loc[3, "size"] = np.nan
    table.loc[4, "colour"] = None
    data = schema.encode(table)
    assert data["x"].isnan().nonzero().tolist() == [[3, 0]]
    assert (data["k"] < 0).nonzero().tolist() == [[4, 0]]


def accuracy_of_a_classifier(real, drawn):
    """How often a forest tells held-out real rows from drawn ones: 1/2 when it cannot."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    both = pd.get_dummies(pd.concat([real, drawn], ignore_index=True))
    told = np.repeat([0, 1], [len(real), len(drawn)])
    forest = RandomForestClassifier(40, min_samples_leaf=10, random_state=0)
    return cross_val_score(forest, both, told, cv=3).mean()


def test_synthesised_rows_are_like_held_out_ones(fitted):
    test, drawn = people(2000, seed=1), fitted.model.synthesise(2000, seed=0)
    assert list(drawn.columns) == list(test.columns)
    for name in ("colour", "flag"):
        gap = test[name].value_counts(normalize=True) - drawn[name].value_counts(normalize=True)
        assert gap.abs().max() < 0.05
    from scipy.stats import ks_2samp

    for name in ("size", "count"):
        assert ks_2samp(test[name], drawn[name]).statistic < 0.06
    found, expected = (
        pd.get_dummies(table).astype(float).corr().to_numpy() for table in (drawn, test)
    )
    assert np.abs(found - expected).max() < 0.09
    assert accuracy_of_a_classifier(test, drawn) < 0.56
    mixed = pd.DataFrame(
        {n: test[n].sample(frac=1, random_state=k).to_numpy() for k, n in enumerate(test)}
    )
    assert accuracy_of_a_classifier(test, mixed) > 0.65  # right marginals alone are told


def test_the_likelihood_is_that_of_the_program_and_of_the_law(fitted):
    test = people(2000, seed=1)
    model = fitted.model
    found = model.log_prob_rows(test)
    colour = test["colour"].map({"red": 0.5, "green": 0.3, "blue": 0.2}).to_numpy()
    centre = test["colour"].map({"red": 1.0, "green": 4.0, "blue": -3.0}).to_numpy()
    from scipy.stats import norm, poisson

    on = 1 / (1 + np.exp(-3 * (test["colour"] == "red") + 1.5))
    exact = (
        np.log(colour)
        + norm.logpdf(test["size"], centre)
        + poisson.logpmf(test["count"], np.exp(2.5 + 0.2 * test["size"]))
        + np.log(np.where(test["flag"], on, 1 - on))
    )
    gap = float(exact.mean() - found.double().mean())
    assert -0.03 < gap < 0.15  # nats, the divergence from the law
    data = {n: v[:9] for n, v in model.schema.encode(test).items()}
    trace = poutine.trace(model).get_trace(**data)
    assert trace.nodes["x"]["is_observed"]
    assert len(model()["x"]) == 1
    scrambled = test.assign(size=test["size"].to_numpy()[::-1])
    assert model.log_prob_rows(scrambled).mean() < found.mean() - 2


def test_missing_values_are_drawn_given_the_others(fitted):
    """Colours against the exact posterior of the law, sizes against the regression on colours."""
    from scipy.stats import norm, poisson

    truth = people(600, seed=3)
    table = truth.copy()
    table.loc[:299, "colour"] = None
    table.loc[300:, "size"] = np.nan
    drawn = fitted.model.impute(table, sweeps=4, steps=10, seed=0)
    assert drawn.notna().all().all()
    for name, rows in (("colour", slice(300, 600)), ("size", slice(0, 299))):
        assert (drawn[name][rows] == truth[name][rows]).all()
    assert (drawn["count"] == truth["count"]).all()
    part = truth[:300]
    joint = []
    for colour, chance, centre in (("red", 0.5, 1.0), ("green", 0.3, 4.0), ("blue", 0.2, -3.0)):
        on = 1 / (1 + np.exp(-3 * (colour == "red") + 1.5))
        flag = np.where(part["flag"], on, 1 - on)
        joint.append(chance * norm.pdf(part["size"], centre) * flag)
    posterior = np.stack(joint, -1) / np.sum(joint, 0)[:, None]
    best = np.array(["red", "green", "blue"])[posterior.argmax(-1)]
    hits = float((drawn["colour"][:300] == best).mean())
    assert hits == pytest.approx(float(posterior.max(-1).mean()), abs=0.05)
    assert hits > 0.6  # which draws that look at nothing would not reach
    centre = truth["colour"][300:].map({"red": 1.0, "green": 4.0, "blue": -3.0})
    grid = np.linspace(-7, 8, 301)
    law = norm.pdf(grid, centre.to_numpy()[:, None])
    law = law * poisson.pmf(truth["count"][300:].to_numpy()[:, None], np.exp(2.5 + 0.2 * grid))
    law = law / law.sum(-1, keepdims=True)
    mean = law @ grid
    width = np.sqrt(law @ grid**2 - mean**2)
    z = (drawn["size"][300:] - mean) / width
    assert abs(z.mean()) < 0.2
    assert 0.85 < z.std() < 1.2
    assert ((truth["size"].sample(300, random_state=0).to_numpy() - mean) / width).std() > 2


def test_tables_of_one_type():
    table = people(300)
    for names in (["colour", "flag"], ["size", "count"]):
        part = table[names]
        schema = TableSchema.of(part)
        method = MaximumLikelihood()
        model = TableFlow(schema, "maf", (8,))
        fit = pg.fit(model, method, data=schema.encode(part), epochs=1, seed=1, progress=False)
        assert fit.model.synthesise(5, seed=0).shape == (5, 2)
        assert fit.model.log_prob_rows(part).shape == (300,)


def test_what_does_not_fit_is_refused():
    table = people(50)
    schema = TableSchema.of(table)
    with pytest.raises(DataError, match=r"Row 2 of the column 'colour' is 'pink'"):
        schema.encode(table.assign(colour=["red", "red", "pink", *["red"] * 47]))
    with pytest.raises(DataError, match="no column 'flag'"):
        schema.encode(table.drop(columns="flag"))
    with pytest.raises(DataError, match="in every row"):
        TableSchema.of(table.assign(flag="on"))
    with pytest.raises(DataError, match="kinds="):
        TableSchema.of(table, {"size": "real"})
    with pytest.raises(DataError, match="impute"):
        TableFlow(schema).log_prob_rows(table.assign(size=np.nan))


def test_unlikely_rows_are_anomalies():
    """Malignant tumours are unlikely among benign ones (breast cancer data of scikit-learn)."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.metrics import roc_auc_score

    found = load_breast_cancer()
    x, benign = torch.from_numpy(found.data).float().log1p(), found.target == 1
    train, rest = x[benign][:250], torch.cat([x[benign][250:], x[~benign]])
    told = np.repeat([0, 1], [int(benign.sum()) - 250, int((~benign).sum())])
    method = MaximumLikelihood(learning_rate=2e-3, optimiser="adamw", weight_decay=1.0)
    model = FlowModel("maf", 30, transforms=2, hidden=(32,))
    fit = pg.fit(model, method, data=train, epochs=25, batch_size=50, seed=1, progress=False)
    with torch.no_grad():
        learned, untrained = (
            roc_auc_score(told, -flow.log_prob(rest)) for flow in (fit.model, model)
        )
    assert learned > 0.97
    assert learned > untrained  # one normal for each column
