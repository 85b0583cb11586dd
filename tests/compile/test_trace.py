"""Recording a torch function: what it sees through, and what it refuses and how."""

from __future__ import annotations

import subprocess
import sys

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import config_enumerate
from pyro.infer.mcmc.util import TraceEinsumEvaluator

from probgen.compile.trace import trace_with_gradient
from probgen.declare.program import read_program
from probgen.errors import ModelError, UnsupportedOperation
from tests.compile.compiled import assert_matches, case, lowered
from tests.targets.agreement import assert_agrees, native

f64 = torch.float64


def operations(function, *shapes) -> list[str]:
    """Names of the operations that the trace of a scalar function keeps."""
    examples = [torch.full(shape, 0.5, dtype=f64) for shape in shapes]
    traced = trace_with_gradient(lambda *inputs: (function(*inputs), {}), examples)
    return [str(n.target) for n in traced.graph.nodes if n.op == "call_function"]


# --- constants -----------------------------------------------------------------------------


def test_what_depends_on_data_alone_is_no_operation():
    data = torch.randn(5, dtype=f64)
    kept = operations(lambda x: (x * data.exp().cumsum(0).sort()[0].mean()).sum(), ())
    assert "aten.sort.default" not in kept
    assert "aten.exp.default" not in kept


def test_branches_on_data_are_taken():
    data = torch.tensor([1.0, -2.0], dtype=f64)

    def function(x):
        total = x * data.sum() if data.sum() > 0 else x * 3
        for i in range(int((data < 0).sum())):
            total = total + x * data[i].item()
        return total[data.argmax()], total * data.nonzero().shape[0]

    assert_matches(function, (2,))


def test_a_constant_written_later_keeps_its_value_at_use():
    def function(x):
        counter = torch.zeros(3, dtype=f64)
        first = x * (counter + 1)
        counter += 1
        counter[0] = 7
        return first, x * counter, x * counter.flip(0)

    assert_matches(function, (3,))


def test_addresses_of_freed_tensors_are_not_mixed_up():
    def function(x):
        total = x
        for i in range(50):
            total = total + x * torch.full((3,), float(i), dtype=f64)
            del_me = torch.full((3,), -1.0, dtype=f64) * i
            total = total * torch.exp(del_me * 1e-3)
        return total

    assert_matches(function, (3,))


# --- views, aliases and writing in place ---------------------------------------------------


def test_views_see_what_is_written_through_others():
    def function(x):
        block = x.clone().reshape(2, 3)
        row, column, transposed = block[1], block[:, 0], block.T
        column *= 2
        block[0, 1] = x[5]
        row += 1
        return block, row, column, transposed, block.flatten()[::2]

    assert_matches(function, (6,))


def test_writing_into_data_made_in_the_program():
    def function(x):
        board = torch.arange(6, dtype=f64).reshape(2, 3)
        board[0] = x
        corner = board[1:, 1:]
        corner.fill_(5.0)
        corner[0, 0] = x[0] * x[1]
        return board, board.sum(0), corner

    assert_matches(function, (3,))


def test_writing_over_everything_forgets_what_was_before():
    def function(x):
        block = torch.empty(2, 3, dtype=f64)
        block.copy_(x.expand(2, 3))
        block[:] = block.clone() + 1
        return block, torch.empty(3, dtype=f64).copy_(x)

    assert_matches(function, (3,))


def test_detach_and_data_share_memory():
    assert_matches(lambda x: (x.detach() * x, x.data * x, x.detach().clone() + x), (3,))


def test_writing_to_an_expanded_tensor_is_refused():
    with pytest.raises(UnsupportedOperation, match=r"cannot be traced|expanded"):
        operations(lambda x: torch.zeros(1).double().expand(3).copy_(x).sum(), (3,))


def test_reading_the_bits_is_refused():
    with pytest.raises(UnsupportedOperation, match=r"needs aten\.view\.dtype"):
        lowered(case("", lambda x: x * (x.detach().view(torch.int64) > 0).double(), ()))


# --- functions within functions ------------------------------------------------------------


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        return grad * 3 * ctx.saved_tensors[0] ** 2


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_custom_derivatives_and_vectorising_maps():
    weights = torch.randn(4, 3, dtype=f64, generator=torch.Generator().manual_seed(0))
    assert_matches(
        lambda x: (
            Cube.apply(x),
            torch.vmap(lambda w: (w * x).sum())(weights),
            torch.vmap(lambda w: (w * x).cumprod(0).sum())(weights),
        ),
        (3,),
    )


def test_a_gradient_inside():
    def function(x):
        return torch.autograd.grad((x**3).sum(), x, create_graph=True)[0], x.exp()

    assert_matches(function, (3,))


def test_modules_and_parameters_are_constants():
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    network = network.double()
    assert_matches(lambda x: network(x), (5, 3))


def test_a_compiled_torchscript_function():
    @torch.jit.script
    def scripted(x: torch.Tensor, n: int) -> torch.Tensor:
        total = x
        for _ in range(n):
            total = total * x + 1
        return total

    assert_matches(lambda x: scripted(x, 3), (3,))


def test_enumerated_mixtures_and_chains():
    y = torch.tensor([0.3, -1.0, 2.0, 0.5, 1.5], dtype=f64)

    @config_enumerate
    def chain():
        with pyro.plate("state", 2):
            loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
            rows = pyro.sample("rows", dist.Dirichlet(torch.ones(2)))
        z = torch.tensor(0)
        for t in pyro.markov(range(4)):
            z = pyro.sample(f"z{t}", dist.Categorical(rows[z]))
            pyro.sample(f"y{t}", dist.Normal(loc[z], 1.0), obs=y[t])

    with pyro.validation_enabled(False):
        model = pyro.poutine.enum(chain, first_available_dim=-2)
        evaluator = TraceEinsumEvaluator(
            pyro.poutine.trace(model).get_trace(), has_enumerable_sites=True, max_plate_nesting=1
        )

    def function(loc, row):
        fixed = {"loc": loc, "rows": torch.stack([row, row.flip(-1)]).softmax(-1)}
        with pyro.validation_enabled(False):
            conditioned = pyro.poutine.condition(model, data=fixed)
            return evaluator.log_prob(pyro.poutine.trace(conditioned).get_trace())

    assert_matches(function, (2,), (2,))


def test_sequential_plates():
    def model():
        state = torch.zeros(())
        for t in pyro.plate("time", 6):
            state = pyro.sample(f"x{t}", dist.Normal(0.8 * state, 1.0))

    assert_agrees(native(model))


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x > 0 else -x,
        lambda x: x * x.item(),
        lambda x: x * float(x),
        lambda x: x * x.tolist(),
        lambda x: x * x.detach().numpy(),
        lambda x: x * int(x > 0),
        lambda x: x * max(x, -x),
        lambda x: x * (1 if x in (1.0, 2.0) else 2),
    ],
)
def test_looking_at_a_value_is_refused_with_the_line(function):
    with pytest.raises(UnsupportedOperation, match=r"test_trace.py:\d+ looks at a random value"):
        operations(function, ())


@pytest.mark.parametrize("function", [
    lambda x: x[x > 0].sum(), lambda x: x.masked_select(x > 0).sum(),
    lambda x: (x > 0).nonzero().sum() * x.sum(), lambda x: x.unique().sum(),
])  # fmt: skip
def test_shapes_that_depend_on_values_are_refused_with_the_line(function):
    with pytest.raises(UnsupportedOperation, match=r"test_trace.py:\d+ makes a tensor whose"):
        operations(function, (4,))


@pytest.mark.parametrize("function", [
    lambda x: x * torch.randn(3), lambda x: x + torch.zeros(3).normal_(),
    lambda x: torch.nn.functional.dropout(x), lambda x: x * torch.bernoulli(x.sigmoid()),
    lambda x: x * torch.empty(3).uniform_(), lambda x: x[torch.randperm(3)],
])  # fmt: skip
def test_random_numbers_are_refused_with_the_line(function):
    with pytest.raises(UnsupportedOperation, match=r"test_trace.py:\d+ draws random numbers"):
        operations(lambda x: function(x).sum(), (3,))


def test_random_numbers_that_nothing_depends_on_do_no_harm():
    def function(x):
        torch.randn(3)
        unused = x * torch.rand(3)
        return (x + 0 * unused.detach().shape[0]).sum()

    assert operations(function, (3,))


def test_the_site_is_named_where_no_line_is():
    class Picky(dist.Normal):
        def log_prob(self, value):
            return super().log_prob(value)

    y = torch.tensor([0.1, 0.2], dtype=f64)

    def model():
        a = pyro.sample("a", dist.Normal(0.0, 1.0))
        pyro.sample("bad one", dist.Stable(1.5, 0.0, a.exp(), a), obs=y)

    with pytest.raises(UnsupportedOperation, match="log density of site 'bad one' looks at"):
        native(model)


def test_a_program_that_draws_in_its_body_is_refused_at_reading():
    def model():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.factor("f", x * torch.randn(()))

    with pytest.raises(ModelError, match="draws random numbers outside"):
        read_program(model)


def test_an_error_of_the_program_is_told():
    def function(x):
        raise KeyError("nonsense")

    with pytest.raises(UnsupportedOperation, match=r"test_trace.py:\d+ cannot be traced: 'non"):
        operations(function, (3,))


def test_tracing_does_not_import_torch_s_compiler():
    """Which takes seconds, on the first call of every process."""
    program = """
import sys
import pyro, pyro.distributions as dist, torch
from probgen import models
from probgen.declare.program import read_program
from probgen.targets.density import Density
for name in ("eight_schools", "gaussian_process_regression", "latent_dirichlet",
             "ordered_regression", "varying_slopes"):
    model = models.load(name)
    program = read_program(model.program, model.data)
    Density(program, program.latents).trace()
print("torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr
