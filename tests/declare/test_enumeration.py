"""Discrete latent sites summed out: density, gradient and its parts against brute force."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import config_enumerate
from pyro.infer.mcmc.util import TraceEinsumEvaluator

from probgen.declare.discrete import tables
from probgen.declare.placing import PlaceUnconstrained
from probgen.declare.program import read_program
from tests.declare.enumerable_programs import PROGRAMS, Y, brute_force
from tests.declare.piano_programs import PIANO


def point_of(program):
    generator = torch.Generator().manual_seed(3)
    return {
        site.name: torch.randn(
            site.unconstrained_shape, generator=generator, dtype=torch.float64
        ).requires_grad_()
        for site in program.latents
    }


@pytest.mark.parametrize("name", PROGRAMS)
def test_log_density_and_gradient_are_those_of_brute_force(name):
    model, data = PROGRAMS[name]
    program = read_program(model, data)
    assert program.enumeration is not None
    point = point_of(program)
    value = program.evaluate(point).log_density
    expected = brute_force(program, point)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    if point:
        leaves = list(point.values())
        torch.testing.assert_close(
            torch.autograd.grad(value, leaves),
            torch.autograd.grad(expected, leaves),
            rtol=1e-10,
            atol=1e-10,
        )


def averaged_plates(table, plates):
    """Broken: the elements of a plate are averaged, not multiplied."""
    dims = sorted(dim for dim, _ in plates)
    return table.mean(dims, keepdim=True) if dims else table


@pytest.mark.parametrize("name", ["nested_plates", "global_class", "tones"])
def test_a_broken_product_over_plates_is_found_out(name, monkeypatch):
    monkeypatch.setattr(tables, "without_plates", averaged_plates)
    with pytest.raises(AssertionError, match="Scalars are not close"):
        test_log_density_and_gradient_are_those_of_brute_force(name)


def test_log_sum_exp_at_the_edges():
    x = torch.tensor([[-1e4, -1e4 + 1], [-torch.inf, 2.0], [-torch.inf, -torch.inf]]).double()
    x.requires_grad_()
    value = tables.log_sum_exp(x, 1)
    torch.testing.assert_close(value, torch.logsumexp(x, 1))
    (gradient,) = torch.autograd.grad(value[:2].sum() + 0.0 * value[2:].exp().sum(), x)
    torch.testing.assert_close(gradient[:2], torch.softmax(x, 1)[:2].detach())
    assert (gradient[2] == 0).all()


# ---- programs from Pyro's examples, against Pyro's own sum -------------------------------------

SEQUENCES = (torch.rand(5, 6, 3, generator=torch.Generator().manual_seed(1)) < 0.5).double()
LENGTHS = torch.tensor([6, 3, 4, 1, 5])


@pytest.mark.parametrize("name", PIANO)
def test_chains_of_pyros_examples_agree_with_pyro(name):
    data = {"sequences": SEQUENCES, "lengths": LENGTHS}
    program = read_program(PIANO[name], data)
    point = {name: leaf.detach() for name, leaf in point_of(program).items()}
    evaluation = program.evaluate(point)
    with program.environment():
        placed = PlaceUnconstrained(point, program.enumeration.all_states)
        program.trace_with(placed)
        conditioned = poutine.condition(config_enumerate(PIANO[name]), evaluation.latent)
        trace = poutine.trace(poutine.enum(conditioned, first_available_dim=-3)).get_trace(**data)
        expected = TraceEinsumEvaluator(trace, True, 2).log_prob(trace)
    value = evaluation.log_density - sum(placed.log_jacobian)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    assert evaluation.log_likelihood["y"].shape == (5,)
    assert program.plates_of("log_likelihood", "y") == ("sequences",)


# ---- the parts of an evaluation ---------------------------------------------------------------


def evaluated(name):
    program = read_program(*PROGRAMS[name])
    return program, program.evaluate(point_of(program))


def test_what_depends_on_summed_sites_is_left_to_the_draws():
    program, evaluation = evaluated("mixture")
    assert set(evaluation.latent) == {"weights", "loc"} == {s.name for s in program.latents}
    assert set(evaluation.log_prior) == {"weights", "loc"}
    assert not evaluation.deterministic
    assert program.enumeration.deterministic == {"mean"}


def test_log_likelihood_of_a_mixture_is_that_of_each_observation():
    program, evaluation = evaluated("mixture")
    values = evaluation.latent
    mixture = dist.MixtureSameFamily(
        dist.Categorical(values["weights"]), dist.Normal(values["loc"], 1.0)
    )
    torch.testing.assert_close(evaluation.log_likelihood["y"], mixture.log_prob(Y))
    assert program.plates_of("log_likelihood", "y") == ("n",)


def test_log_likelihood_below_a_continuous_child():
    """p(y | x) with p(z | x) in it, and the log prior of x with z summed out."""
    _, evaluation = evaluated("continuous_child")
    loc, x = evaluation.latent["loc"], evaluation.latent["x"]
    z = torch.arange(2.0).double()[:, None]
    prior = torch.tensor([0.3, 0.7]).double().log()[:, None] + 0.3 * z * x
    prior = prior + dist.Normal(loc[:, None], 1.0).log_prob(x)
    likelihood = 0.5 * dist.Normal(x + z, 0.5).log_prob(Y)
    expected = torch.logsumexp(prior + likelihood, 0) - torch.logsumexp(prior, 0)
    torch.testing.assert_close(evaluation.log_likelihood["y"], expected)
    torch.testing.assert_close(evaluation.log_prior["x"], torch.logsumexp(prior, 0))


def test_sequences_have_one_log_likelihood_each_whatever_the_mask_adds():
    program, evaluation = evaluated("ragged_chains")
    move, loc = evaluation.latent["move"], evaluation.latent["loc"]
    rows, lengths = program.data["rows"], program.data["lengths"]
    expected = []
    for row, length in zip(rows, lengths, strict=True):
        forward = move[0].log()
        for t in range(int(length)):
            if t:
                forward = torch.logsumexp(forward[:, None] + move.log(), 0)
            forward = forward + dist.Normal(loc, 1.0).log_prob(row[t])
        expected.append(torch.logsumexp(forward, 0))
    torch.testing.assert_close(evaluation.log_likelihood["y"], torch.stack(expected))


def test_independent_chains_have_names_of_their_own():
    def model():
        p = pyro.sample("p", dist.Beta(2.0, 2.0))
        for i in pyro.plate("chains", 2):
            z = torch.tensor(0)
            for t in range(2):
                z = pyro.sample(f"z_{t}_{i}", dist.Bernoulli(0.2 + 0.5 * p * z))
                pyro.sample(f"y_{t}_{i}", dist.Normal(z, 1.0), obs=Y[t])
        pyro.sample("x", dist.Normal(p, 1.0), obs=Y[0])

    program = read_program(model)
    found = program.evaluate(point_of(program)).log_likelihood
    assert set(found) == {"y_0_0..y_1_0", "y_0_1..y_1_1", "x"}


# ---- the order and the dimensions -------------------------------------------------------------


@pytest.mark.parametrize("markov", [True, False])
def test_a_chain_of_any_length_needs_two_dimensions(markov):
    def model():
        p = pyro.sample("p", dist.Beta(2.0, 2.0))
        z = torch.tensor(0.0)
        for t in pyro.markov(range(60)) if markov else range(60):
            z = pyro.sample(f"z_{t}", dist.Bernoulli(0.2 + 0.5 * p * z))
            pyro.sample(f"y_{t}", dist.Normal(z, 1.0), obs=torch.tensor(0.3))

    enumeration = read_program(model).enumeration
    assert {variable.dim for variable in enumeration.variables} == {-1, -2}
    (component,) = enumeration.components
    assert [step.variable for step in component.order.steps] == list(range(60))
    assert component.order.largest == 4


def test_values_given_for_summed_sites_are_refused():
    program = read_program(*PROGRAMS["mixture"])
    with pytest.raises(Exception, match="no latent site named 'z'"):
        program.unconstrain({"z": torch.zeros(4)})
