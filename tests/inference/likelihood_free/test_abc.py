"""Approximate Bayesian computation against posteriors that are known, and what it refuses."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

import probgen as pg
from probgen.declare.implicit import Implicit
from probgen.errors import DataError, ModelError, OptionError, SamplingError
from probgen.inference.likelihood_free import nearest, simulator, walk
from probgen.inference.likelihood_free.distance import Comparison
from probgen.inference.likelihood_free.kernel import Kernel

SCALE, COUNT = 3.0, 20
Y = torch.linspace(-4.0, 8.0, COUNT)  # its mean is 2


def normal_mean(y=None):
    """mu ~ N(0, 1), whose sufficient statistic is the mean of y."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("row", COUNT):
        pyro.sample("y", dist.Normal(mu, SCALE), obs=y)


def implicit_mean(y=None):
    """The same law of y, of which only draws are to be had."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("row", COUNT):
        noise = pyro.sample("noise", dist.Normal(0.0, 1.0))
        pyro.sample("y", Implicit(mu + SCALE * noise, event_dim=0), obs=y)


def mean_of(data):
    return data["y"].mean()


def apart(simulated, observed):
    return (simulated - observed).abs().sum()


def exact(epsilon):
    """Mean and standard deviation of mu given that the mean of y lies within epsilon of 2."""
    grid, error = np.linspace(-5, 6, 20001), SCALE / COUNT**0.5
    ends = [stats.norm.cdf((2.0 + side * epsilon - grid) / error) for side in (1, -1)]
    density = stats.norm.pdf(grid) * (ends[0] - ends[1])
    density /= density.sum()
    mean = (grid * density).sum()
    return mean, ((grid - mean) ** 2 @ density) ** 0.5


def agrees(tree, size=None):
    """Draws of mu against the posterior at the tolerance reached, within 4 standard errors."""
    mu = tree["posterior"]["mu"].values
    mean, sd = exact(float(tree.attrs["epsilon"]))
    size = size or mu.size
    assert abs(mu.mean() - mean) < 4 * sd / size**0.5
    assert abs(mu.std() - sd) < 4 * sd / (2 * size) ** 0.5


def effective(tree):
    return sum(np.array(eval(tree.attrs["effective_sizes"])))


def infer(program, method, **options):
    asked = {"data": {"y": Y}, "seed": 3, "progress": False, **options}
    return pg.infer(program, method, **asked)


REJECTION = {"quantile": 0.05, "summaries": mean_of, "distance": apart}
WALK = {"epsilon": 0.3, "summaries": mean_of, "distance": apart}


class TestRejection:
    @pytest.mark.parametrize("program", [normal_mean, implicit_mean])
    def test_the_posterior_is_exact_with_a_sufficient_statistic(self, program):
        tree = infer(program, pg.RejectionABC(**REJECTION))
        assert tree["posterior"]["mu"].shape == (4, 250)
        agrees(tree)
        assert abs(exact(float(tree.attrs["epsilon"]))[0] - 40 / 29) < 0.05  # of the data

    def test_a_wide_tolerance_is_another_posterior(self):
        tree = infer(normal_mean, pg.RejectionABC(**REJECTION | {"quantile": 0.5}))
        agrees(tree)
        tree.attrs["epsilon"] = 0.01
        with pytest.raises(AssertionError):
            agrees(tree)

    def test_keeping_everything_is_caught(self, monkeypatch):
        def careless(self, before, near):
            return nearest.joined([before, near]).rows(np.arange(self.wanted))

        monkeypatch.setattr(nearest.Nearest, "kept", careless)
        tree = infer(normal_mean, pg.RejectionABC(**REJECTION))
        tree.attrs["epsilon"] = 0.1
        with pytest.raises(AssertionError):
            agrees(tree)

    def test_distances_are_those_kept(self):
        tree = infer(normal_mean, pg.RejectionABC(epsilon=0.3, summaries=mean_of, distance=apart))
        assert float(tree["sample_stats"]["distance"].max()) <= 0.3
        assert tree.attrs["epsilon"] == 0.3
        agrees(tree)
        nearest = infer(normal_mean, pg.RejectionABC(**REJECTION))
        assert nearest.attrs["epsilon"] == float(nearest["sample_stats"]["distance"].max())
        assert nearest.attrs["simulations"] == 21_000
        assert float(nearest["sample_stats"]["weight"].sum()) == pytest.approx(4.0)

    def test_seeds(self):
        method = pg.RejectionABC(quantile=0.5, summaries=mean_of)
        first, second, other = (
            infer(normal_mean, method, draws=50, seed=seed)["posterior"]["mu"].values
            for seed in (1, 1, 2)
        )
        assert (first == second).all()
        assert (first != other).all()

    def test_discrete_sites_are_drawn(self):
        """A coin's side decides the mean; the posterior of the side is Bayes' theorem."""

        def program(y=None):
            side = pyro.sample("side", dist.Bernoulli(0.3))
            pyro.sample("y", dist.Poisson(1.0 + 3.0 * side), obs=y)

        tree = infer(program, pg.RejectionABC(epsilon=0.0), data={"y": 3.0})
        joint = np.array([0.7, 0.3]) * stats.poisson.pmf(3, [1.0, 4.0])
        share = tree["posterior"]["side"].values.mean()
        expected = joint[1] / joint.sum()
        assert abs(share - expected) < 4 * (expected * (1 - expected) / 1000) ** 0.5


class TestSequential:
    def test_the_posterior_is_exact_with_a_sufficient_statistic(self):
        tree = infer(normal_mean, pg.SMCABC(**WALK))
        assert tree["posterior"]["mu"].shape == (4, 500)
        assert tree.attrs["epsilon"] == 0.3
        agrees(tree, effective(tree))

    def test_nuisance_sites_are_drawn_with_the_data(self):
        tree = infer(implicit_mean, pg.SMCABC(**WALK))
        assert tree.attrs["moved_sites"] == '["mu"]'
        agrees(tree, effective(tree))
        mu, noise = (tree["posterior"][name].values for name in ("mu", "noise"))
        distance = abs((mu[..., None] + SCALE * noise).mean(-1) - 2.0)
        assert abs(distance - tree["sample_stats"]["distance"].values).max() < 1e-9

    def test_weights_left_out_are_caught(self, monkeypatch):
        def equal(log_prior, kernel, positions):
            return np.zeros(len(log_prior))

        monkeypatch.setattr(walk, "importance_weights", equal)
        tree = infer(normal_mean, pg.SMCABC(**WALK))
        with pytest.raises(AssertionError):
            agrees(tree, effective(tree))

    def test_a_prior_without_its_jacobian_is_caught(self):
        """The prior of a positive site is that of its logarithm, where particles move."""

        def program(y=None):
            rate = pyro.sample("rate", dist.Exponential(1.0))
            with pyro.plate("row", 5):
                pyro.sample("y", dist.Poisson(rate), obs=y)

        counts = torch.tensor([1.0, 0.0, 2.0, 0.0, 1.0])
        method = pg.SMCABC(epsilon=0.0, summaries=lambda data: data["y"].sum(), distance=apart)
        tree = infer(program, method, data={"y": counts})
        assert tree.attrs["epsilon"] == 0.0  # though the median distance stays at 1 for long
        rate, law = tree["posterior"]["rate"].values, stats.gamma(5, scale=1 / 6)
        size = effective(tree)
        assert abs(rate.mean() - law.mean()) < 4 * law.std() / size**0.5
        assert abs(rate.mean() - stats.gamma(4, scale=1 / 6).mean()) > 4 * law.std() / size**0.5

    def test_tolerances_fall_and_are_kept(self):
        tree = infer(normal_mean, pg.SMCABC(summaries=mean_of, populations=4), draws=100)
        history = tree["history"]
        assert (np.diff(history["epsilon"].values) < 0).all()
        assert history.sizes["step"] == 5  # the prior, and four
        assert int(history["simulations"].sum()) + 1000 == tree.attrs["simulations"]
        rates = history["acceptance_rate"].values
        assert (rates[1:] > 0).all()
        assert (rates <= 1).all()
        assert (tree["sample_stats"]["distance"].values <= tree.attrs["epsilon"]).all()
        assert tree["observed_data"]["y"].shape == (COUNT,)

    def test_a_batch_of_which_nothing_is_accepted(self, monkeypatch):
        monkeypatch.setattr(simulator, "_BATCH", 10)
        method = pg.SMCABC(summaries=mean_of, quantile=0.05, populations=1)
        tree = infer(normal_mean, method, draws=50, chains=2)
        assert tree["history"].sizes["step"] == 2
        assert tree["history"]["acceptance_rate"][1] < 0.1

    def test_seeds(self):
        method = pg.SMCABC(summaries=mean_of, populations=3)
        first, second, other = (
            infer(normal_mean, method, draws=100, chains=2, seed=seed)["posterior"]["mu"].values
            for seed in (1, 1, 2)
        )
        assert (first == second).all()
        assert (first != other).any(axis=1).all()
        assert (first[0] != first[1]).any()

    def test_it_stops_where_too_few_are_accepted_and_says_what_to_do(self):
        method = pg.SMCABC(epsilon=1e-9, least_acceptance=0.2, summaries=mean_of)
        tree = infer(normal_mean, method, draws=100)
        assert tree.attrs["epsilon"] > 1e-9
        assert "1e-09 was not reached" in tree.attrs["notes"]
        assert "acceptance rate fell" in tree.attrs["notes"]
        limited = pg.SMCABC(summaries=mean_of, simulations=3000)
        tree = infer(normal_mean, limited, draws=100)
        assert tree.attrs["simulations"] <= 4000

    def test_an_interrupted_walk_keeps_the_finished_populations(self, monkeypatch):
        step, done = walk.Walk.step, 2

        def broken_off(self, state):
            if len(state.epsilons) == done and len(state.found) == 2:
                raise KeyboardInterrupt
            return step(self, state)

        monkeypatch.setattr(walk.Walk, "step", broken_off)
        tree = infer(normal_mean, pg.SMCABC(summaries=mean_of), draws=100)
        assert tree.attrs["interrupted"]
        assert tree["history"].sizes["step"] == 2
        assert tree["posterior"]["mu"].shape == (4, 100)
        assert "after population 1" in tree.attrs["notes"]
        done = 1
        with pytest.raises(KeyboardInterrupt):
            infer(normal_mean, pg.SMCABC(summaries=mean_of), draws=100)

    @pytest.mark.slow
    def test_g_and_k(self):
        """The quantile distribution of Rayner & MacGillivray (2002): no density in closed form.

        Drovandi & Pettitt (2011), section 4: octile summaries find (3, 1, 2, 0.5) of 400 draws.
        """

        def program(y=None):
            a, b, g, k = (
                pyro.sample(name, dist.Uniform(0.0, high))
                for name, high in zip("abgk", (10.0, 10.0, 10.0, 2.0), strict=True)
            )
            with pyro.plate("row", 400):
                z = pyro.sample("z", dist.Normal(0.0, 1.0))
                skew = 1 + 0.8 * torch.tanh(g * z / 2)
                pyro.sample("y", Implicit(a + b * skew * (1 + z**2) ** k * z, 0), obs=y)

        def octiles(data):
            e = data["y"].sort().values[torch.arange(50, 400, 50)]
            width = e[5] - e[1]
            return [e[3], width.log(), (e[5] + e[1] - 2 * e[3]) / width,
                    ((e[6] - e[4] + e[2] - e[0]) / width).log()]  # fmt: skip

        truth = {"a": 3.0, "b": 1.0, "g": 2.0, "k": 0.5}
        held = pyro.poutine.condition(program, data=truth)
        pyro.set_rng_seed(2)
        y = pyro.poutine.trace(held).get_trace().nodes["y"]["value"]
        method = pg.SMCABC(summaries=octiles, least_acceptance=0.01)
        tree = infer(program, method, data={"y": y}, draws=250, chains=2)
        widths = {"a": 0.6, "b": 1.0, "g": 2.4, "k": 0.4}
        for name, value in truth.items():
            found = tree["posterior"][name].values
            low, high = np.quantile(found, [0.005, 0.995])
            assert low < value < high, name
            assert found.std() < widths[name], (name, found.std())


class TestSimulations:
    def test_a_program_that_cannot_be_batched_gives_the_same_posterior(self):
        def one_by_one(y=None):
            mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
            with pyro.plate("row", COUNT):
                drawn = torch.from_numpy(np.random.normal(mu.item(), SCALE, COUNT))
                pyro.sample("y", Implicit(drawn, event_dim=0), obs=y)

        method = pg.RejectionABC(**REJECTION | {"quantile": 0.1})
        agrees(infer(one_by_one, method, draws=20))

    def test_noise_that_is_not_torchs_differs_from_row_to_row(self):
        """All rows at once would share it."""

        def program(y=None):
            mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
            noise = torch.from_numpy(np.random.normal(0.0, 1.0, ()))
            pyro.deterministic("noise", noise)
            pyro.sample("y", Implicit(mu + noise, event_dim=0), obs=y)

        tree = infer(program, pg.RejectionABC(quantile=0.5), data={"y": 0.5}, draws=20)
        assert len(np.unique(tree["posterior"]["noise"].values)) == 80

    def test_distances_are_scaled_by_deviations_under_the_prior(self):
        pilot = {"y": torch.tensor([[0.0, 5.0], [1.0, 5.0], [3.0, 5.0], [6.0, 9.0]]).double()}
        observed = {"y": torch.tensor([[1.0, 5.0]]).double()}
        comparison = Comparison(None, None, observed, pilot)
        assert comparison.scale.tolist() == [1.0, 2.0]  # sd of the second, most of which is 5
        found = comparison({"y": torch.tensor([[3.0, 9.0], [torch.nan, 0.0]]).double()})
        assert found[0] == pytest.approx(8**0.5)
        assert found[1] == np.inf

    def test_summaries_of_any_form(self):
        data = {"y": torch.randn(7, 5).double(), "n": torch.rand(7).double()}
        row = {name: value[:1] for name, value in data.items()}
        for summaries, size in (
            (lambda d: d["y"].mean(), 1),
            (lambda d: [d["y"].mean(), d["n"], d["y"][:2]], 4),
            (lambda d: float(d["n"]), 1),
            (lambda d: torch.quantile(d["y"], torch.tensor([0.1, 0.9])), 2),
            (None, 6),
        ):
            found = Comparison(summaries, None, row, data).summarised(data)
            assert found.shape == (7, size)

    def test_the_kernel_is_the_mixture_it_draws_from(self):
        points = np.array([[0.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
        weight = np.array([0.5, 0.3, 0.2])
        kernel = Kernel(points, weight)
        covariance = 2 * np.cov(points.T, aweights=weight, bias=True)
        at = np.array([[0.5, 0.5], [3.0, -1.0]])
        expected = sum(
            w * stats.multivariate_normal(p, covariance).pdf(at)
            for p, w in zip(points, weight, strict=True)
        )
        np.testing.assert_allclose(np.exp(kernel.log_density(at)), expected, rtol=1e-6)
        drawn = kernel.draw(20_000, np.random.default_rng(0))
        np.testing.assert_allclose(drawn.mean(0), weight @ points, atol=0.08)
        np.testing.assert_allclose(np.cov(drawn.T), 1.5 * covariance, atol=0.3)


class TestResults:
    def test_diagnose_says_that_it_is_an_approximation(self):
        tree = infer(normal_mean, pg.RejectionABC(**REJECTION))
        said = str(pg.diagnose(tree))
        assert "approximation" in said
        assert "tolerance" in said
        wide = pg.diagnose(infer(normal_mean, pg.RejectionABC(quantile=0.5, summaries=mean_of)))
        assert [f.check for f in wide.findings if f.severity == "warning"] == ["tolerance"]
        raw = pg.diagnose(infer(normal_mean, pg.RejectionABC(quantile=0.5), draws=20))
        assert "summaries" not in [finding.check for finding in raw.findings]  # 20 of them

    def test_weights_and_populations_are_judged(self):
        tree = infer(normal_mean, pg.SMCABC(summaries=mean_of, populations=2), draws=100)
        findings = {f.check: f for f in pg.diagnose(tree).findings}
        assert f"{effective(tree):.0f} of 400" in findings["weights"].message
        tree["posterior"]["mu"] = tree["posterior"]["mu"] + 3.0 * tree["posterior"]["chain"]
        assert "R-hat" in [f.check for f in pg.diagnose(tree).findings]

    def test_store_predict_and_compare(self, tmp_path):
        method = pg.RejectionABC(quantile=0.5, summaries=mean_of)
        stored = infer(normal_mean, method, draws=30, store=tmp_path / "run.zarr")
        again = pg.open_tree(tmp_path / "run.zarr")
        assert (again["posterior"]["mu"].values == stored["posterior"]["mu"].values).all()
        told = pg.predict(stored, normal_mean, {"y": Y})
        assert told["posterior_predictive"]["y"].shape == (4, 30, COUNT)


class TestBadInput:
    @pytest.mark.parametrize(
        ("method", "wrong"),
        [
            ("RejectionABC", {"quantile": 0.0}),
            ("RejectionABC", {"epsilon": -1.0}),
            ("RejectionABC", {"summaries": "mean"}),
            ("SMCABC", {"quantile": 1.0}),
            ("SMCABC", {"populations": 0}),
            ("SMCABC", {"sites": ()}),
        ],
    )
    def test_settings(self, method, wrong):
        with pytest.raises(OptionError, match=f"{method}.*{next(iter(wrong))}"):
            getattr(pg, method)(**wrong)

    @pytest.mark.parametrize("method", [pg.RejectionABC(), pg.SMCABC()])
    def test_nothing_observed(self, method):
        with pytest.raises(ModelError, match="observes nothing"):
            infer(normal_mean, method, data={})

    def test_distances_that_are_not_finite(self):
        def program(y=None):
            mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
            pyro.sample("y", Implicit((mu - 1e3).log(), event_dim=0), obs=y)

        with pytest.raises(ModelError, match="No distance of 1000 simulations"):
            infer(program, pg.RejectionABC(), data={"y": 1.0})
        with pytest.raises(DataError, match="not finite"):
            infer(normal_mean, pg.RejectionABC(summaries=lambda d: d["y"].mean() / 0))

    def test_an_acceptance_that_is_too_low(self):
        method = pg.RejectionABC(epsilon=1e-12, simulations=5000, summaries=mean_of)
        with pytest.raises(SamplingError, match=r"0 of 5000 simulations.*larger epsilon.*SMCABC"):
            infer(normal_mean, method)
        with pytest.raises(OptionError, match="take 1000000 simulations"):
            infer(normal_mean, pg.RejectionABC(quantile=0.001, simulations=100_000))

    def test_what_has_no_meaning_is_refused(self):
        for option in ({"init": "prior"}, {"thin": 2}, {"backend": "torch"}, {"warmup": 10}):
            with pytest.raises(OptionError, match=next(iter(option))):
                infer(normal_mean, pg.RejectionABC(), **option)

    def test_factors_and_sites_without_a_sampler(self):
        def weighed(y=None):
            mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
            pyro.factor("weight", -mu)
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

        with pytest.raises(ModelError, match="factor 'weight'"):
            infer(weighed, pg.RejectionABC(), data={"y": 1.0})

        def improper(y=None):
            support = dist.constraints.real
            mu = pyro.sample("mu", dist.ImproperUniform(support, (), ()))
            pyro.sample("y", dist.Normal(mu, 1.0), obs=y)

        with pytest.raises(ModelError, match=r"'mu' cannot be simulated"):
            infer(improper, pg.RejectionABC(), data={"y": 1.0})

    def test_sites_that_cannot_be_moved(self):
        def coin(y=None):
            side = pyro.sample("side", dist.Bernoulli(0.5))
            pyro.sample("y", dist.Normal(side, 1.0), obs=y)

        with pytest.raises(ModelError, match="RejectionABC"):
            infer(coin, pg.SMCABC(), data={"y": 1.0})
        with pytest.raises(OptionError, match=r"'y' is no continuous latent site.*'mu'"):
            infer(normal_mean, pg.SMCABC(sites=("y",)))

    def test_networks_are_told_apart(self):
        network = pg.load_network("asia")
        with pytest.raises(OptionError, match="RejectionABC"):
            pg.infer(network, pg.RejectionABC(), progress=False)


class Scaled(pyro.nn.PyroModule):
    """A module with parameters of its own, which counts its runs."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Linear(1, 1)
        self.runs = 0

    def forward(self, y=None):
        self.runs += 1
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("row", COUNT):
            noise = pyro.sample("noise", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("y", Implicit(mu + self.scale(noise)[..., 0], event_dim=0), obs=y)


def test_rows_of_modules_with_parameters_run_together():
    module = Scaled()
    method = pg.RejectionABC(summaries=mean_of, quantile=0.1)
    pg.infer(module, method, data={"y": Y}, draws=200, chains=1, seed=1, progress=False)
    assert module.runs < 50  # of 2000 simulations
