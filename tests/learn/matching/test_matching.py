"""Programs learned by draws held against data: energy distance, maximum mean discrepancy."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

import probgen as pg
from probgen.declare.implicit import Implicit
from probgen.errors import DataError, ModelError, OptionError
from probgen.learn.matching.kernels import gaussian, median_distance, power, squared_distances
from probgen.learn.matching.learner import MatchingLearner
from probgen.learn.training.options import TrainingOptions
from tests.learn.adversarial.drive import info_of

METHODS = {"EnergyDistance": pg.EnergyDistance, "MMD": pg.MMD}


class Generator(PyroModule):
    """x is a network of normal numbers."""

    def __init__(self, network=None, latents=2, observe="x"):
        super().__init__()
        self.generator = network or nn.Linear(latents, 2)
        self.observe = observe
        self.register_buffer("origin", torch.zeros(latents), persistent=False)

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample(self.observe, Implicit(self.generator(z)), obs=x)


class Shifted(PyroModule):
    """Normal numbers around a mean that all rows have in common: each is of variance 2."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x=None):
        mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
        with pyro.plate("case", 1 if x is None else len(x)):
            e = pyro.sample("e", dist.Normal(0.0, 1.0))
            pyro.sample("x", Implicit(mean + self.scale * e, 0), obs=x)


MEANS = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0]])


class Labelled(PyroModule):
    """Three classes with normal x around means that are learned, from the wrong class's."""

    def __init__(self):
        super().__init__()
        self.means = nn.Parameter(0.5 * MEANS.roll(1, 0))

    def forward(self, x=None, y=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            y = pyro.sample("y", dist.Categorical(torch.ones(3)), obs=y)
            pyro.sample("x", dist.Normal(self.means[y], 0.3).to_event(1), obs=x)


class Regression(PyroModule):
    """y given covariates that the program does not draw."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Linear(1, 1)
        self.spread = nn.Parameter(torch.zeros(()))

    def forward(self, x, y=None):
        with pyro.plate("case", len(x)):
            noise = pyro.sample("noise", dist.Normal(0.0, 1.0))
            mean = self.slope(x[:, None])[:, 0]
            made = mean + self.spread.exp() * noise
            pyro.sample("y", Implicit(made, event_dim=0), obs=y)


def correlated(count=1500):
    factor = torch.tensor([[1.0, 0.0], [0.8, 0.5]])
    return torch.randn(count, 2) @ factor.T + torch.tensor([2.0, -1.0])


def fitted(model, method, data, **options):
    asked = {"epochs": 10, "batch_size": 100, "seed": 1, "progress": False, **options}
    return pg.fit(model, method, data=data, **asked)


def moments_differ(fit, x):
    """Largest errors of the mean and of the covariance of an affine generator."""
    w, b = fit.model.generator.weight, fit.model.generator.bias
    apart = (b - x.mean(0)).abs().max(), (w @ w.T - torch.cov(x.T)).abs().max()
    return max(part.item() for part in apart)


class TestLoss:
    def test_distances(self):
        a, b = torch.randn(3, 5, 2), torch.randn(3, 4, 2)
        expected = torch.cdist(a, b).square()
        torch.testing.assert_close(squared_distances(a, b), expected, atol=1e-5, rtol=1e-4)
        far = squared_distances(a + 1e4, b + 1e4)
        torch.testing.assert_close(far, expected, atol=0.05, rtol=0.01)
        line = torch.tensor([[0.0], [1.0], [3.0]])
        assert median_distance(line) == 2.0
        with pytest.raises(DataError, match="length"):
            median_distance(torch.ones(9, 1))

    def test_dissimilarities(self):
        squared = torch.tensor([0.0, 4.0])
        torch.testing.assert_close(power(1.0)(squared), torch.tensor([0.0, 2.0]))
        torch.testing.assert_close(power(0.5)(squared)[1], torch.tensor(2.0).sqrt())
        k = (math.exp(-2.0) + math.exp(-0.5)) / 2
        found = gaussian((1.0, 2.0))(squared)
        torch.testing.assert_close(found, torch.tensor([-1.0, -k]))

    @pytest.mark.parametrize("law", [power(1.0), gaussian((0.5, 2.0))])
    def test_it_is_that_of_all_pairs_and_unbiased(self, law):
        """Zero in the mean for equal laws, which means over all pairs, i = j too, are not."""
        found, biased = [], []
        for _ in range(200):
            data, drawn = torch.randn(6, 1), torch.randn(1, 6, 1)
            found.append(loss_of(law, data, drawn).item())
            within = [law(squared_distances(v, v)).mean() for v in (data, drawn[0])]
            between = law(squared_distances(data, drawn[0])).mean()
            biased.append((2 * between - sum(within)).item())
        pairs = [(i, j) for i in range(6) for j in range(6)]
        d = [[law((a - b).square().sum()) for b in drawn[0]] for a in data]
        e = [[law((a - b).square().sum()) for b in drawn[0]] for a in drawn[0]]
        f = [[law((a - b).square().sum()) for b in data] for a in data]
        by_hand = 2 * sum(d[i][j] for i, j in pairs) / 36 - sum(
            (e[i][j] + f[i][j]) / 30 for i, j in pairs if i != j
        )
        assert found[-1] == pytest.approx(by_hand.item(), abs=1e-5)
        error = np.std(found) / 200**0.5
        assert abs(np.mean(found)) < 4 * error
        assert abs(np.mean(biased)) > 4 * error

    @pytest.mark.parametrize("method", METHODS)
    def test_rows_that_share_a_latent_are_compared_between_runs(self, method):
        """Zero in the mean for equal laws of a row, which pairs of one run are not."""
        torch.manual_seed(0)
        x = {"x": 2**0.5 * torch.randn(200, 50)}
        first = {"x": x["x"][0]}
        learner = METHODS[method]().learner(Shifted(), info_of(first, 50), TrainingOptions())
        assert learner._sides.shared
        for shared in (True, False):
            learner._sides.shared = shared
            with torch.no_grad():
                found = np.array([learner._loss({"x": rows}).item() for rows in x["x"]])
            in_errors = found.mean() / (found.std() / 200**0.5)
            assert abs(in_errors) < 4 if shared else in_errors > 8

    def test_the_gradient_is_finite_where_draws_coincide(self):
        drawn = torch.zeros(1, 4, 2, requires_grad=True)
        loss_of(power(1.0), torch.zeros(4, 2), drawn).backward()
        assert drawn.grad.isfinite().all()


def loss_of(law, data, drawn):
    class Sides:
        names, conditional, shared = ("x",), False, False

        def drawn(self, batch, times):
            return data, drawn

    model = nn.Linear(1, 1)
    method = pg.EnergyDistance()
    learner = MatchingLearner(model, Sides(), law, method, "")
    return learner._loss({"x": data})


class TestLearning:
    @pytest.mark.parametrize("name", METHODS)
    def test_a_normal_is_recovered(self, name):
        x = correlated()
        method = METHODS[name](learning_rate=pg.schedules.Cosine(5e-2))
        fit = fitted(Generator(), method, x)
        assert moments_differ(fit, x) < 0.1
        assert abs(fit.summary["last_loss"]) < 0.02
        assert fit.summary["sites"] == ["x"]

    @pytest.mark.parametrize("name", METHODS)
    def test_without_the_spread_of_draws_it_collapses(self, name, monkeypatch):
        """The term of pairs of draws is what keeps them apart."""
        x = correlated()
        whole = MatchingLearner._within
        monkeypatch.setattr(MatchingLearner, "_within", lambda self, cases: 0 * whole(self, cases))
        method = METHODS[name](learning_rate=pg.schedules.Cosine(5e-2))
        assert moments_differ(fitted(Generator(), method, x), x) > 0.1

    def test_sites_are_compared_jointly(self):
        """Each class finds its own mean, which x by itself does not tell."""
        y = torch.randint(3, (1000,))
        data = {"x": MEANS[y] + 0.3 * torch.randn(1000, 2), "y": y}
        rate = pg.schedules.Cosine(8e-2)
        joint = fitted(Labelled(), pg.EnergyDistance(learning_rate=rate), data, epochs=20)
        assert (joint.model.means - MEANS).abs().max() < 0.2
        alone = pg.EnergyDistance(learning_rate=rate, sites=("x",))
        found = fitted(Labelled(), alone, data, epochs=20).model.means
        assert (found - MEANS).abs().max() > 1

    @pytest.mark.parametrize("name", METHODS)
    def test_covariates_are_given(self, name):
        """Rows have laws of their own: y = 2 x - 1 + 0.5 e, compared row by row."""
        x = 2 * torch.randn(1000)
        data = {"x": x, "y": 2 * x - 1 + 0.5 * torch.randn(1000)}
        method = METHODS[name](learning_rate=pg.schedules.Cosine(5e-2), particles=4)
        fit = fitted(Regression(), method, data, epochs=20)
        slope, intercept = fit.model.slope.weight.item(), fit.model.slope.bias.item()
        assert slope == pytest.approx(2.0, abs=0.1)
        assert intercept == pytest.approx(-1.0, abs=0.15)
        assert fit.model.spread.exp().item() == pytest.approx(0.5, abs=0.15)
        assert "row by row" in fit.summary["compared"]

    def test_seeds_validation_resume_and_odd_batches(self, tmp_path):
        x = correlated(101)
        asked = {"batch_size": 20, "validation": 0.2, "epochs": 3}
        model = Generator()
        first, second = (fitted(model, pg.MMD(), x, **asked) for _ in range(2))
        torch.testing.assert_close(
            first.model.generator.weight, second.model.generator.weight, rtol=0, atol=0
        )
        assert math.isfinite(first.summary["last_validation_loss"])
        left = fitted(Generator(), pg.MMD(), x, batch_size=50, epochs=2)  # 50 + 50 + 1 rows
        assert math.isfinite(left.summary["last_loss"])
        store = {"store": tmp_path / "fit", "epochs": 2}
        fitted(model, pg.EnergyDistance(), x, **store)
        longer = pg.resume(tmp_path / "fit", model, data=x, epochs=4, progress=False)
        straight = fitted(model, pg.EnergyDistance(), x, epochs=4)
        torch.testing.assert_close(
            longer.model.generator.weight, straight.model.generator.weight, rtol=0, atol=0
        )

    def test_running_statistics_stay_until_training(self):
        network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        model = Generator(network)
        fitted(model, pg.MMD(), correlated(100), epochs=1, batch_size=50)
        assert not network[1].running_mean.any()  # a copy was trained

    @pytest.mark.slow
    @pytest.mark.parametrize("name", METHODS)
    def test_a_ring_of_eight_modes_is_covered(self, name):
        """Every mode of the ring (sd 0.02) is drawn from, if not sharply: kernels see far."""
        angles = torch.arange(8) * 2 * math.pi / 8
        modes = 2 * torch.stack([angles.cos(), angles.sin()], 1)
        covered = []
        for seed in range(3):
            torch.manual_seed(seed)
            x = modes[torch.randint(8, (8000,))] + 0.02 * torch.randn(8000, 2)
            layers = [nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
            model = Generator(nn.Sequential(*layers, nn.Linear(128, 2)))
            method = METHODS[name](learning_rate=pg.schedules.Cosine(2e-3))
            fit = fitted(model, method, x, epochs=50, batch_size=400, seed=seed)
            with torch.no_grad():
                drawn = fit.model.generator(torch.randn(2500, 2))
            nearest = torch.cdist(drawn, modes).min(1)
            near = nearest.indices[nearest.values < 0.2]
            counts = torch.bincount(near, minlength=8)
            covered.append((int((counts > 40).sum()), len(near) / 2500))
        assert sorted(count for count, _ in covered)[1] == 8, covered
        assert sorted(share for _, share in covered)[1] > 0.3, covered


class TestBadInput:
    def test_settings(self):
        for wrong in (
            {"length": ()}, {"length": (1.0, -1.0)}, {"length": 0.0}, {"learning_rate": -1.0},
            {"sites": ()}, {"particles": 0},
        ):  # fmt: skip
            with pytest.raises(OptionError, match="MMD"):
                pg.MMD(**wrong)
        with pytest.raises(OptionError, match="beta"):
            pg.EnergyDistance(beta=2.0)
        assert pg.MMD(sites="x").sites == ("x",)

    @pytest.mark.parametrize("name", METHODS)
    def test_an_unknown_site(self, name):
        with pytest.raises(OptionError, match=r"no site 'w'.*'x'"):
            fitted(Generator(), METHODS[name](sites=("w",)), correlated(50))

    def test_draws_without_a_gradient(self):
        class Counts(PyroModule):
            def __init__(self):
                super().__init__()
                self.rate = nn.Parameter(torch.zeros(()))

            def forward(self, x=None):
                with pyro.plate("case", 1 if x is None else len(x)):
                    pyro.sample("x", dist.Poisson(self.rate.exp()), obs=x)

        with pytest.raises(ModelError, match=r"'x' draws from Poisson"):
            fitted(Counts(), pg.EnergyDistance(), torch.ones(20))

    def test_a_generator_that_is_cut_off(self):
        class Cut(Generator):
            def forward(self, x=None):
                with pyro.plate("case", 1 if x is None else len(x)):
                    z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
                    pyro.sample("x", Implicit(self.generator(z).detach()), obs=x)

        with pytest.raises(ModelError, match=r"'x' depends on a parameter"):
            fitted(Cut(), pg.MMD(), correlated(50))

    def test_a_factor(self):
        class Weighed(Generator):
            def forward(self, x=None):
                super().forward(x)
                pyro.factor("weight", torch.zeros(()))

        with pytest.raises(ModelError, match="factor 'weight'"):
            fitted(Weighed(), pg.MMD(), correlated(50))

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(DataError, match=r"'x'"):
            fitted(Generator(), pg.MMD(), torch.randn(50, 3))

    def test_a_loss_that_explodes_keeps_the_last_good_weights(self):
        from probgen.errors import TrainingError

        with pytest.raises(TrainingError) as raised:
            fitted(Generator(), pg.EnergyDistance(learning_rate=1e38), correlated(400))
        assert all(p.isfinite().all() for p in raised.value.fit.model.parameters())

    def test_several_lengths_are_of_fit(self):
        with pytest.raises(OptionError, match="one length"):
            pg.MMD(length=(1.0, 2.0)).estimator(None, None, None)
