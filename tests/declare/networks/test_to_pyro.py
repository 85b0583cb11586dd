"""Networks as Pyro programs: enumeration against brute force, sampling, evidence by name."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from pyro.infer import TraceEnum_ELBO, config_enumerate, infer_discrete

from probgen.declare.network import Factor, Network
from probgen.declare.networks import to_pyro as module
from probgen.declare.networks.to_pyro import to_pyro
from probgen.errors import DataError, EvidenceError, ModelError
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, brute_force, grid

pytestmark = pytest.mark.filterwarnings("ignore:trying to observe a value")


def enumerated(network: Network, evidence: dict[int, int]) -> tuple[float, dict[str, np.ndarray]]:
    """Log evidence and marginals by Pyro's enumeration."""
    labels = network.labels()
    given = {labels[v]: network.states[v][state] for v, state in evidence.items()}
    program, elbo = config_enumerate(to_pyro(network)), TraceEnum_ELBO(max_plate_nesting=0)
    found = elbo.compute_marginals(program, lambda **_: None, **given)
    log_evidence = -elbo.loss(program, lambda **_: None, **given)
    return log_evidence, {label: site.probs.detach().numpy() for label, site in found.items()}


def disagreement(network: Network, evidence: dict[int, int]) -> float:
    """The largest difference between enumeration and brute force."""
    factors = condition(network, evidence)
    truth = brute_force(factors)
    log_evidence, marginals = enumerated(network, evidence)
    labels = network.labels()
    worst = abs(log_evidence - truth.log_z)
    for v, marginal in zip(factors.free, truth.marginals, strict=True):
        if len(marginal) > 1:
            worst = max(worst, float(np.abs(marginals[labels[v]] - marginal).max()))
    return worst


@pytest.mark.parametrize("name", AWKWARD)
def test_enumeration_agrees_with_brute_force(name):
    network = AWKWARD[name]
    assert disagreement(network, {}) < 1e-10
    if len(network.names) > 1:
        last = len(network.names) - 1
        states = np.flatnonzero(brute_force(condition(network)).marginals[last] > 0)
        assert disagreement(network, {last: int(states[-1])}) < 1e-10


def test_a_wrong_index_would_be_noticed(monkeypatch):
    def swapped(table, values):
        return table[tuple(value.long() for value in reversed(values))] if values else table

    monkeypatch.setattr(module, "_at", swapped)
    square = Network(
        ("a", "b"),
        (("n", "y"),) * 2,
        (Factor((0, 1), np.log([[1.0, 2.0], [5.0, 1.0]])), Factor((0,), np.log([1.0, 3.0]))),
    )
    assert disagreement(square, {}) > 0.01


def test_a_bayesian_program_samples_from_the_network():
    network = AWKWARD["bayesian"]
    program = to_pyro(network)
    count = 4000
    pyro.set_rng_seed(3)
    with pyro.plate("draws", count):
        drawn = program()
    for label, marginal in zip(
        network.labels(), brute_force(condition(network)).marginals, strict=True
    ):
        share = np.bincount(drawn[label].numpy(), minlength=len(marginal)) / count
        error = np.sqrt(marginal * (1 - marginal) / count)
        assert (np.abs(share - marginal) < 5 * error + 1e-12).all()


def test_the_most_probable_state_by_infer_discrete():
    network = AWKWARD["chain"]
    program = config_enumerate(to_pyro(network))
    best = infer_discrete(program, first_available_dim=-1, temperature=0)()
    joint = brute_force(condition(network)).joint
    top = np.unravel_index(joint.argmax(), joint.shape)
    assert [int(best[label]) for label in network.labels()] == list(top)


def test_programs_are_named_and_documented():
    program = to_pyro(grid(2, 2, 0.5, 0.1))
    assert program.__name__ == "grid2x2"
    assert "markov network of 4 variables" in program.__doc__
    trace = pyro.poutine.trace(program).get_trace()
    assert {"0[0]", "factor(0[0], 0[1])", "log_states"} <= set(trace.nodes)


def test_large_networks_run_without_enumeration():
    network = grid(12, 12, 0.3, 0.1)
    assert len(to_pyro(network)()) == 144


def test_evidence_by_state_number_tensor_likelihood_or_none():
    network = AWKWARD["xor"]
    program = to_pyro(network)
    for given in ("yes", 1, np.int64(1), torch.tensor(1), 1.0):
        assert int(program(c=given)["c"]) == 1
    assert set(program(c=None)) == {"a", "b", "c"}
    elbo = TraceEnum_ELBO(max_plate_nesting=0)
    enumerate_it = config_enumerate(program)
    told = elbo.compute_marginals(enumerate_it, lambda **_: None, a=[0.2, 0.6], b="no")
    np.testing.assert_allclose(told["c"].probs.detach().numpy(), [0.25, 0.75], rtol=1e-9)


def test_integer_states_are_names_before_they_are_positions():
    program = to_pyro(grid(1, 2, 0.5, 0.1))  # states -1 and 1
    assert int(program(**{"0[0]": 1})["0[0]"]) == 1
    assert int(program(**{"0[0]": -1})["0[0]"]) == 0
    assert int(program(**{"0[0]": 0})["0[0]"]) == 0


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"d": "yes"}, DataError, "no variable 'd'"),
        ({"c": "maybe"}, DataError, "no state 'maybe'.*no, yes"),
        ({"c": 2}, DataError, "no state 2"),
        ({"c": [0.0, 0.0]}, (DataError, EvidenceError), "not all zero"),
    ],
)
def test_bad_evidence_is_named(given, error, words):
    with pytest.raises(error, match=words):
        to_pyro(AWKWARD["xor"])(**given)


def test_a_cycle_is_named():
    coin = np.log(np.full((2, 2), 0.5))
    loop = Network(
        ("a", "b"), (("n", "y"),) * 2, (Factor((0, 1), coin, 1), Factor((1, 0), coin, 0))
    )
    with pytest.raises(ModelError, match=r"cycle: .* -> "):
        to_pyro(loop)


def test_impossible_evidence_has_log_evidence_minus_infinity():
    network = AWKWARD["xor"]
    program = to_pyro(network)
    trace = pyro.poutine.trace(program).get_trace(a="no", b="no", c="yes")
    assert trace.log_prob_sum() == -np.inf


def test_alarm_agrees_with_variable_elimination():
    from pgmpy.inference import VariableElimination

    from probgen.declare.networks.bundled import load_bundled
    from probgen.declare.networks.to_pgmpy import to_pgmpy

    network = load_bundled("alarm")
    given = {"CVP": "HIGH", "BP": "LOW"}
    elbo = TraceEnum_ELBO(max_plate_nesting=0)
    found = elbo.compute_marginals(config_enumerate(to_pyro(network)), lambda **_: None, **given)
    assert len(found) == 35
    query = VariableElimination(to_pgmpy(network)).query
    for name in ("HR", "LVFAILURE", "CATECHOL", "PCWP"):
        factor = query([name], evidence=given, show_progress=False)
        states = network.states[network.position[name]]
        theirs = [factor.get_value(**{name: state}) for state in states]
        np.testing.assert_allclose(found[name].probs.detach().numpy(), theirs, atol=1e-6)


def test_pgmpy_models_become_programs():
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork, LinearGaussianBayesianNetwork

    discrete = DiscreteBayesianNetwork([("a", "b")])
    discrete.add_cpds(
        TabularCPD("a", 2, [[0.5], [0.5]]),
        TabularCPD("b", 2, [[0.9, 0.2], [0.1, 0.8]], ["a"], [2]),
    )
    trace = pyro.poutine.trace(to_pyro(discrete)).get_trace(a=1, b=0)
    assert float(trace.log_prob_sum()) == pytest.approx(np.log(0.1))
    linear = LinearGaussianBayesianNetwork([("x", "y")])
    linear.add_cpds(LinearGaussianCPD("x", [1], 2), LinearGaussianCPD("y", [0, 1], 2, ["x"]))
    assert set(to_pyro(linear)(x=1.0)) == {"x", "y"}
