"""Programs with sites that have no density: what refuses them, what works, and posteriors."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn
from typer.testing import CliRunner

import probgen as pg
from probgen.cli import app
from probgen.declare.implicit import Implicit
from probgen.errors import ModelError


class Generator(PyroModule):
    """Two normal numbers through a network with batch statistics: x has no density."""

    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
        self.register_buffer("origin", torch.zeros(2), persistent=False)

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample("x", Implicit(self.generator(z)), obs=x)


FILE = """
import pyro, torch, pyro.distributions as dist
import probgen as pg


def program(x=None):
    with pyro.plate("case", 3):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", pg.Implicit(z.exp(), event_dim=0), obs=x)


data = {"x": torch.ones(3)}
"""


@pytest.fixture
def generator():
    torch.manual_seed(1)
    made = Generator()
    made(torch.randn(50, 4))
    for _ in range(50):  # running statistics of many rows
        made(torch.zeros(100, 4))
    return made.eval()


@pytest.fixture
def x():
    return torch.randn(5, 4)


def observed_noisily(generator, operator=None, noise=0.3):
    """The generator's x is latent, and y is a noisy measurement of it."""

    def program(y=None):
        z = pyro.sample("z", dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))
        x = pyro.sample("x", Implicit(generator.generator(z), event_dim=2))
        seen = x[0] if operator is None else operator.to(x) @ x[0]
        pyro.sample("y", dist.Normal(seen, noise).to_event(1), obs=y)

    return program


def exact_posterior(generator, operator, y, noise):
    """Mean and covariance of z: the generator in its mode for evaluation is affine."""
    with torch.no_grad():
        bias = generator.generator(torch.zeros(1, 2))[0]
        w = (generator.generator(torch.eye(2)) - bias).T.double()
        a = operator.double() @ w
        covariance = torch.linalg.inv(torch.eye(2).double() + a.T @ a / noise**2)
        return covariance @ a.T @ (y.double() - operator.double() @ bias.double()) / noise**2, (
            covariance
        )


class TestObserved:
    """There is no posterior density, and every way to it says so, and what to do."""

    WORDS = r"(?s)'x'.*no density.*Adversarial.*EnergyDistance.*SMCABC.*pg\.measured"

    @pytest.mark.parametrize("backend", ["auto", "torch", "eager"])
    def test_infer_names_the_site(self, generator, x, backend):
        with pytest.raises(ModelError, match=self.WORDS):
            pg.infer(generator, data={"x": x}, backend=backend, progress=False)

    @pytest.mark.parametrize("guide", [None, "low_rank", "program"])
    def test_variational_inference_names_the_site(self, generator, x, guide):
        def program(x):
            with pyro.plate("case", len(x)):
                pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))

        chosen = program if guide == "program" else guide
        with pytest.raises(ModelError, match=self.WORDS):
            pg.infer(generator, pg.SVI(chosen), data={"x": x}, progress=False)

    @pytest.mark.parametrize("method", ["SVI", "MaximumLikelihood"])
    def test_learning_by_a_likelihood_names_the_site(self, generator, x, method):
        with pytest.raises(ModelError, match=self.WORDS):
            pg.fit(generator, getattr(pg, method)(), data=x, progress=False)

    def test_log_likelihood_names_the_site(self, generator, x):
        with pytest.raises(ModelError, match=self.WORDS):
            pg.log_likelihood(generator, x)

    def test_check_lists_it(self, generator, x):
        report = pg.check(generator, {"x": x})
        assert [problem.site for problem in report.errors] == ["x"]
        assert "no density" in report.errors[0].message
        assert "RejectionABC" in report.errors[0].cure
        observed = pg.check(observed_noisily(generator), {"y": x[0]})
        assert observed.ok, str(observed)

    def test_what_needs_no_density_works(self, generator, x, tmp_path):
        sites = pg.describe(generator, {"x": x}).sites
        assert (sites["x"].kind, sites["x"].distribution) == ("observed", "Implicit")
        assert sites["x"].plates == ("case",)
        graph = pg.graph(generator, {"x": x})
        assert graph.edges["z", "x"]["how"] == "traced"
        pg.draw(generator, tmp_path / "graph.svg", data={"x": x})
        assert (tmp_path / "graph.svg").stat().st_size
        drawn = pg.prior(generator, {"x": x}, draws=7)
        assert drawn["prior_predictive"]["x"].shape == (1, 7, 5, 4)
        z = torch.from_numpy(drawn["prior"]["z"].values[0, 3]).float()
        expected = generator.generator(z).detach().numpy()
        assert abs(drawn["prior_predictive"]["x"].values[0, 3] - expected).max() < 1e-5

    def test_an_edge_that_cannot_be_traced_is_found_by_moving_values(self):
        def program(x=None):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", Implicit(torch.full((2,), z.item()), event_dim=1), obs=x)

        assert pg.graph(program, {"x": torch.ones(2)}).edges["z", "x"]["how"] == "numeric"

    def test_predictions_are_draws(self, generator, x):
        tree = pg.prior(generator, {"x": x}, draws=6)
        tree["posterior"] = tree["prior"]
        told = pg.predict(tree, generator, {"x": x})
        assert told["posterior_predictive"]["x"].shape == (1, 6, 5, 4)
        one = pg.prior(generator, draws=6)
        one["posterior"] = one["prior"].to_dataset()[["z"]]
        told = pg.predict(one, generator)  # nothing observed: x is what z makes it
        group = next(g for g in ("predictions", "posterior_predictive") if g in told.children)
        assert told[group]["x"].shape == (1, 6, 1, 4)

    def test_show(self, tmp_path):
        file = tmp_path / "implicit.py"
        file.write_text(FILE)
        shown = CliRunner().invoke(app, ["show", str(file)])
        assert shown.exit_code == 0, shown.output
        assert "Implicit" in shown.output
        checked = CliRunner().invoke(app, ["check", str(file)])
        assert checked.exit_code != 0
        assert "no density" in checked.output


class TestLatent:
    """An implicit site that is not observed is what its parents make it."""

    def test_draws_are_those_of_a_deterministic_site(self, generator, x):
        def deterministic(y=None):
            z = pyro.sample("z", dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))
            h = pyro.deterministic("x", generator.generator(z))
            pyro.sample("y", dist.Normal(h[0], 0.3).to_event(1), obs=y)

        asked = {"chains": 1, "draws": 30, "warmup": 30, "seed": 1, "progress": False}
        trees = [
            pg.infer(program, data={"y": x[0]}, backend="torch", **asked)
            for program in (observed_noisily(generator), deterministic)
        ]
        for site in ("z", "x"):
            first, second = (tree["posterior"][site].values for tree in trees)
            assert (first == second).all()
        assert trees[0]["posterior"]["x"].dims[-1] == "x_dim_1"

    def test_a_program_guide_is_told_what_to_declare(self, generator, x):
        def guide(y=None):
            pyro.sample("z", dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))

        with pytest.raises(ModelError, match=r"'x'.*pyro\.deterministic"):
            pg.infer(observed_noisily(generator), pg.SVI(guide), data={"y": x[0]}, progress=False)

    @pytest.mark.parametrize("way", ["own observation", "measured", "inpainting", "super"])
    def test_the_posterior_of_an_affine_generator_is_exact(self, generator, way):
        y, noise = torch.tensor([1.2, -0.4, 0.3, 0.8]), 0.3
        operator = torch.eye(4)
        if way == "inpainting":
            operator = operator[:2]
        elif way == "super":
            operator = pg.block_means((2, 2), 2)
        y = y[: len(operator)]
        if way == "own observation":
            program = observed_noisily(generator, operator, noise)
        else:
            program = pg.measured(generator.train(), operator, noise)
        tree = pg.infer(
            program, pg.NUTS(), data={"y": y}, chains=2, draws=1000, warmup=500, seed=1,
            progress=False,
        )  # fmt: skip
        generator.eval()
        agrees(tree, *exact_posterior(generator, operator, y, noise))
        with pytest.raises(AssertionError):
            agrees(tree, *exact_posterior(generator, operator, y, 1.0))
        if way != "own observation":
            z = torch.from_numpy(tree["posterior"]["z"].values[0, 5]).float()
            made = generator.generator(z).detach().numpy()[0]
            assert abs(tree["posterior"]["x"].values[0, 5] - made).max() < 1e-4

    def test_batch_statistics_of_one_row_are_explained(self, generator):
        with pytest.raises(ModelError, match=r"(?s)batch normalisation.*eval\(\)"):
            pg.infer(observed_noisily(generator.train()), data={"y": torch.zeros(4)})


def agrees(tree, mean, covariance):
    """Draws against a normal law, within 5 standard errors."""
    z = torch.from_numpy(tree["posterior"]["z"].values).reshape(-1, 2)
    table = pg.diagnose(tree).table
    ess = torch.tensor(table["ess_bulk"][table.index.str.startswith("z")].values)
    sd = covariance.diagonal().sqrt()
    assert ((z.mean(0) - mean).abs() < 5 * sd / ess.sqrt()).all()
    error = (2 / float(ess.min())) ** 0.5
    assert (torch.cov(z.T) - covariance).abs().max() < 5 * error * covariance.max()
