"""Cases seen through linear maps with noise."""

import pyro.distributions as dist
import pytest
import torch
from pyro import poutine

import probgen as pg
from probgen.errors import DataError, ModelError
from probgen.models.gan import ConditionalGAN
from probgen.models.vae import VAE
from probgen.nets.likelihoods import Gaussian
from probgen.nets.measured import block_means, measured


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return VAE(6, 2, (), Gaussian(6, 0.4)).double()


def test_block_means():
    operator = block_means((4, 6), 2).double()
    image = torch.arange(24.0).reshape(4, 6).double()
    expected = torch.nn.functional.avg_pool2d(image[None], 2)[0]
    torch.testing.assert_close(operator @ image.flatten(), expected.flatten())
    torch.testing.assert_close(block_means((3, 5), 2).sum(1), torch.ones(6))


@pytest.mark.parametrize("disjoint", [True, False])
def test_the_density_is_that_of_the_map_with_the_latents_given(linear, disjoint):
    operator = block_means((2, 3), 2).double() if disjoint else torch.randn(3, 6).double()
    program = measured(linear, operator, 0.3)
    assert program.disjoint == disjoint
    z, y = torch.randn(1, 2).double(), torch.randn(len(operator)).double()
    trace = poutine.trace(poutine.condition(program, data={"z": z})).get_trace(y=y)
    mean = operator @ linear.decoder(z)[0]
    covariance = 0.16 * operator @ operator.T + 0.09 * torch.eye(len(operator)).double()
    expected = dist.MultivariateNormal(mean, covariance).log_prob(y)
    expected = expected + dist.Normal(0, 1).log_prob(z).sum()
    torch.testing.assert_close(trace.log_prob_sum(), expected)
    assert set(trace.nodes) & {"x", "y", "z"} == {"x", "y", "z"}
    joint = torch.cat([torch.eye(6), operator]).double()
    both = 0.16 * joint @ joint.T
    gain = both[:6, 6:] @ torch.linalg.inv(covariance)
    expected = linear.decoder(z)[0] + gain @ (y - mean)
    torch.testing.assert_close(trace.nodes["x"]["value"], expected)


def test_the_posterior_of_a_linear_decoder_is_exact(linear):
    """z is normal with precision I + W' A' S^-1 A W, as in a Gaussian linear model."""
    operator, y = block_means((2, 3), 2).double(), torch.tensor([1.5, -0.5]).double()
    tree = pg.infer(
        measured(linear, operator, 0.3), pg.NUTS(), data={"y": y}, chains=2, draws=1000,
        warmup=500, seed=1, progress=False,
    )  # fmt: skip
    mean, covariance = posterior(linear, operator, y, noise=0.3)
    check(tree, mean, covariance)
    with pytest.raises(AssertionError):
        check(tree, *posterior(linear, operator, y, noise=1.0))


def posterior(linear, operator, y, noise):
    with torch.no_grad():
        w, b = linear.decoder[-1].weight, linear.decoder[-1].bias
        spread = 0.16 * operator @ operator.T + noise**2 * torch.eye(len(operator)).double()
        gain = (operator @ w).T @ torch.linalg.inv(spread)
        covariance = torch.linalg.inv(torch.eye(2).double() + gain @ operator @ w)
        return covariance @ gain @ (y - operator @ b), covariance


def check(tree, mean, covariance):
    """Draws against a normal law, within 5 standard errors."""
    z = torch.from_numpy(tree["posterior"]["z"].values).reshape(-1, 2)
    table = pg.diagnose(tree).table
    ess = torch.tensor(table["ess_bulk"][table.index.str.startswith("z")].values)
    sd = covariance.diagonal().sqrt()
    assert ((z.mean(0) - mean).abs() < 5 * sd / ess.sqrt()).all()
    least = float(ess.min())
    assert (torch.cov(z.T) - covariance).abs().max() < 5 * (2 / least) ** 0.5 * covariance.max()


def test_another_site_is_refused(linear):
    with pytest.raises(ModelError, match="'y'"):
        measured(linear, torch.eye(6).double(), 0.1, site="y")()


def test_a_label_of_the_case_is_given_beside_the_measurement():
    """A program whose own site is named y: the measurement takes another name."""
    torch.manual_seed(0)
    model = ConditionalGAN(4, 3, 2, (8,))
    program = measured(model, torch.eye(4), 0.1, name="seen")
    label, z, seen = torch.tensor([2]), torch.randn(1, 2), torch.randn(4)
    held = poutine.condition(program, data={"z": z})
    trace = poutine.trace(held).get_trace(seen=seen, y=label)
    made = model.generator(z, label)[0]
    expected = dist.Normal(made, 0.1).log_prob(seen).sum() + dist.Normal(0, 1).log_prob(z).sum()
    expected = expected - torch.tensor(3.0).log()  # of the label, which is data
    torch.testing.assert_close(trace.log_prob_sum(), expected)
    other = poutine.trace(held).get_trace(seen=seen, y=torch.tensor([0]))
    assert other.log_prob_sum() != trace.log_prob_sum()


def test_names_that_clash_and_data_that_nothing_takes_are_refused():
    model = ConditionalGAN(4, 3, 2, (8,))
    with pytest.raises(ModelError, match=r"site 'y' of its own.*name=\"seen\""):
        measured(model, torch.eye(4), 0.1)(y=torch.zeros(4))
    with pytest.raises(DataError, match="named 'seen', and ConditionalGAN takes no 'lable'"):
        measured(model, torch.eye(4), 0.1, name="seen")(seen=torch.zeros(4), lable=torch.ones(1))
