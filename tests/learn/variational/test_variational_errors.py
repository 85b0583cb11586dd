"""What goes wrong is named: guides that do not fit, numbers that are not finite, data."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError, TrainingError
from probgen.inference.variational.svi import SVI
from probgen.learn.variational.objectives import ELBO, RenyiELBO
from tests.learn.variational.make import learner_of
from tests.learn.variational.programs import VAE, Mixture, NormalMean, binary_data

X = {"x": binary_data(40)}


def origin(rows, size=2):
    return torch.zeros(rows, size)


def refused(guide, words, model=None, data=X, **settings):
    with pytest.raises(ModelError, match=words):
        learner_of(model or VAE(), data, guide=guide, **settings)


def test_a_guide_that_lacks_a_site():
    refused(lambda x: None, r"lacks the site 'z'.*add pyro.sample\('z', ...\).*shape \(2, 2\)")


def test_a_guide_with_a_site_too_many():
    def guide(x):
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(origin(len(x)), 1.0).to_event(1))
            pyro.sample("w", dist.Normal(origin(len(x)), 1.0).to_event(1))

    refused(guide, "draws the site 'w', which the program does not have.*is_auxiliary")


def test_a_guide_that_draws_what_is_observed():
    def guide(x):
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(origin(len(x)), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(origin(len(x), 6)).to_event(1))

    refused(guide, "draws the site 'x', which the program observes")


def test_a_guide_of_another_shape():
    def wide(x):
        with pyro.plate("rows", len(x)):
            pyro.sample("z", dist.Normal(origin(len(x), 3), 1.0).to_event(1))

    def flat(x):
        with pyro.plate("rows", len(x), dim=-2), pyro.plate("more", 2):
            pyro.sample("z", dist.Normal(origin(len(x)), 1.0))

    def elsewhere(x):
        with pyro.plate("cases", len(x)):
            pyro.sample("z", dist.Normal(origin(len(x)), 1.0).to_event(1))

    refused(wide, r"'z' has the shape \(2, 3\) in the guide and \(2, 2\) in the program")
    refused(flat, r"'z' has 0 event dimensions in the guide and 1 in.*\.to_event\(1\)")
    refused(elsewhere, r"plates \['rows'\] in the program and in \['cases'\] in the guide")


def test_a_guide_outside_the_support():
    class Positive(PyroModule):
        def forward(self, x):
            rate = pyro.sample("rate", dist.Gamma(2.0, 2.0))
            with pyro.plate("rows", len(x)):
                pyro.sample("x", dist.Poisson(rate), obs=x)

    refused(
        lambda x: pyro.sample("rate", dist.Normal(-5.0, 0.1)),
        "draws 'rate' outside its support.*has Normal",
        Positive(),
        {"x": torch.ones(20)},
    )


def test_guides_by_name_that_cannot_be():
    class Unguided(VAE):
        guide = None

    refused("mean_field", "'z' is drawn for every row, and the guide 'mean_field'", Unguided())
    refused(None, "'z' is drawn for every row", Unguided())
    x = {"x": torch.randn(40)}

    class Choice(PyroModule):
        def forward(self, x):
            k = pyro.sample("k", dist.Bernoulli(0.5))
            with pyro.plate("rows", len(x)):
                pyro.sample("x", dist.Normal(k, 1.0), obs=x)

    refused(None, "'k' is discrete.*infer={'enumerate': 'parallel'}", Choice(), x)
    with pytest.raises(OptionError, match=r"guide='maf'\): fit knows the guides 'mean_field'"):
        learner_of(NormalMean(), x, guide="maf")


def test_weighted_bounds_of_global_sites_need_all_rows():
    class Guided(NormalMean):
        def guide(self, x=None):
            pyro.sample("mean", dist.Normal(0.0, 1.0))

    x = {"x": torch.randn(40)}
    refused(
        None,
        "'mean' is drawn once for all rows.*batch_size",
        Guided(),
        x,
        batch_size=10,
        objective=RenyiELBO(),
    )
    found = learner_of(Guided(), x, objective=RenyiELBO(particles=3))
    assert found.estimator(x)["loss"].isfinite()


class Fragile(VAE):
    """Its scale is a network's output, which becomes what the data say."""

    def __init__(self, fault="scale"):
        super().__init__()
        self.fault = fault

    def forward(self, x=None):
        with pyro.plate("rows", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.decoder[0].weight.new_zeros(2), 1.0).to_event(1))
            logits = self.decoder(z)
            if x is not None and self.training:
                bad = x.sum(-1, keepdim=True) == x.shape[1]  # of rows that are all ones
                if self.fault == "value":
                    logits = torch.where(bad, logits.new_tensor(torch.nan), logits)
                if self.fault == "covariance" and bad.any():
                    dist.MultivariateNormal(torch.zeros(2), torch.ones(2, 2))
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)


def with_bad_rows():
    x = binary_data(60)
    x[x.sum(1) == x.shape[1], 0] = 0
    x[17] = 1
    x[41] = 1
    return x


@pytest.mark.parametrize("validation", [None, 0.1])
def test_losses_that_are_not_finite_name_step_site_and_rows(tmp_path, validation):
    x = with_bad_rows()
    options = {"epochs": 2, "batch_size": 60, "seed": 0, "progress": False}
    with pytest.raises(TrainingError) as caught:
        pg.fit(
            Fragile("value"),
            SVI(),
            data=x,
            store=tmp_path / "run",
            validation=validation,
            **options,
        )
    words = str(caught.value)
    assert "program's site 'x' (Bernoulli) is nan in rows" in words
    assert "at step 1" in words
    assert "keeps the checkpoint of step 0" in words
    named = words.split("in rows ")[1].split(" of the data")[0]
    expected = {17, 41}
    assert {int(number) for number in named.split(",")} <= expected
    good = caught.value.fit.model
    assert all(torch.isfinite(p).all() for p in good.parameters())


def test_singular_covariances_are_named():
    with pytest.raises(TrainingError, match=r"after the site 'z'.*covariance is singular: add a"):
        pg.fit(
            Fragile("covariance"), SVI(), data=with_bad_rows(), epochs=1, seed=0, progress=False
        )


def test_parameters_that_ran_away_are_named():
    method = SVI(learning_rate=1e30, optimiser="sgd")
    with pytest.raises(TrainingError, match=r"not finite|NaN or infinity"):
        pg.fit(VAE(), method, data=X["x"], epochs=5, seed=0, progress=False)


def test_mistakes_of_the_program_are_not_taken_for_divergence():
    class Broken(VAE):
        def guide(self, x):
            if self.training:
                raise RuntimeError("a mistake of the program")
            super().guide(x)

    with pytest.raises(RuntimeError, match="a mistake of the program"):
        pg.fit(Broken(), SVI(), data=X["x"], epochs=1, progress=False)


def test_data_outside_the_support_are_named():
    with pytest.raises(DataError, match=r"data\['x'\] holds 2 \(row 0.*site 'x'|'x' takes"):
        pg.fit(VAE(), SVI(), data=2 * X["x"] + 2, epochs=1, progress=False)


def test_a_program_whose_every_site_is_summed_out_needs_no_guide():
    learner = learner_of(Mixture(), {"x": torch.randn(40)}, objective=ELBO())
    assert learner.estimator({"x": torch.randn(5)})["loss"].isfinite()


def test_gradients_along_the_path_only_are_not_for_fit():
    with pytest.raises(OptionError, match="Leave gradient out"):
        pg.fit(VAE(), SVI(gradient="path"), data=X["x"], progress=False)


def test_a_plain_function_is_no_program_to_fit():
    with pytest.raises(ModelError, match="is a function"):
        pg.fit(lambda x: None, SVI(), data=X["x"])
