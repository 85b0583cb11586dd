"""Large data: read where they are, examined in blocks, and never silently stale."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from probgen.compile import data as table
from probgen.compile.data import LARGE, content, digest_into, in_table_form, strided, varies_along
from probgen.compile.streams import StreamNest
from probgen.declare.program import read_program
from probgen.targets.density import compile_density
from probgen.targets.reuse import density_of, forget
from tests.compile.compiled import Case, assert_same, compile_cases

ROWS, COLUMNS = 20_000, 20  # more elements than LARGE


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def logistic(X, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(X.shape[-1]), 1.0).to_event(1))
    with pyro.plate("rows", len(X)):
        pyro.sample("y", dist.Bernoulli(logits=X.double() @ b), obs=y)


def outcomes(rng, rows=ROWS):
    return (rng.random(rows) < 0.5).astype(float)


# --- arrays on their way into the table ------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (1,), (3, 4), (300, 500), (2, 3, 70_000), (300_000, 2)])
def test_varying_dimensions_are_found_wherever_the_difference_is(rng, shape):
    array = np.zeros(shape)
    assert not any(varies_along(array, d) for d in range(len(shape)))
    for _ in range(3):
        one = array.copy()
        one[tuple(rng.integers(0, n) for n in shape)] = 1.0
        assert [varies_along(one, d) for d in range(len(shape))] == [n > 1 for n in shape]
    last = array.copy()
    last[(-1,) * len(shape)] = 1.0
    assert [varies_along(last, d) for d in range(len(shape))] == [n > 1 for n in shape]


def test_nan_differs_from_itself():
    assert varies_along(np.array([np.nan, np.nan]), 0)


def test_the_table_holds_three_types_and_no_needless_copy(rng):
    large = rng.normal(size=(LARGE // 4, 4))
    assert in_table_form(large) is large
    assert np.shares_memory(in_table_form(large.T), large)
    assert not np.shares_memory(in_table_form(large[::2]), large)
    assert in_table_form(large[::2].astype(np.float32)).dtype == np.float64
    assert in_table_form(np.array([1, 2**31 - 1])).dtype == np.int32
    assert in_table_form(np.array([1, 2**31])).dtype == np.float64
    assert in_table_form(np.array([-(2**31), 1])).dtype == np.float64
    assert in_table_form(np.array([True, False])).dtype == np.uint8


def test_views_of_data_are_copied_as_they_read(rng):
    array = rng.normal(size=(4, 6))
    assert np.array_equal(strided(array, (6, 4), (1, 6), 0), array.T)
    assert np.array_equal(strided(array, (6,), (-1,), 5), array[0, ::-1])
    assert np.array_equal(strided(array, (2, 3), (12, 2), 1), array[::2, 1::2])


def test_hashes_tell_contents_apart_and_layouts_not(rng):
    array = rng.normal(size=(3, 300, 100))
    assert content(array) != content(array + 1e-16 * (array > 0) + (array == array.max()))

    def digest(values):
        found = hashlib.sha256()
        digest_into(found, values)
        return found.digest()

    assert digest(array) == digest(np.asfortranarray(array)) == digest(array.copy())
    assert digest(array.transpose(2, 0, 1)) == digest(array.transpose(2, 0, 1).copy())
    assert digest(array) != digest(array[::-1])


# --- densities of large data -----------------------------------------------------------------


@pytest.mark.parametrize("layout", ["rows", "columns", "steps", "read-only", "float32", "bool"])
def test_large_data_of_every_layout_give_the_program_s_density(rng, layout):
    X = rng.normal(size=(ROWS, COLUMNS))
    if layout == "columns":
        X = np.asfortranarray(X)
    elif layout == "steps":
        X = rng.normal(size=(2 * ROWS, COLUMNS))[::2]
    elif layout == "read-only":
        X.flags.writeable = False
    elif layout == "float32":
        X = X.astype(np.float32)
    elif layout == "bool":
        X = X > 0
    density = compile_density(read_program(logistic, {"X": X, "y": outcomes(rng)}), "native")
    q = rng.normal(size=COLUMNS)
    value, gradient = density.value_and_grad(q)
    expected, expected_gradient = density.eager_value_and_grad(q)
    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-9, atol=1e-8)
    shared = [np.shares_memory(array, X) for array in density.native._context.arrays]
    assert any(shared) == (layout in ("rows", "columns", "read-only"))
    assert sum(a.nbytes for a in density.native._context.arrays) < 1.2 * 8 * ROWS * COLUMNS


def test_gradients_and_outputs_share_their_data(rng):
    X = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    density = compile_density(read_program(logistic, {"X": X, "y": outcomes(rng)}), "native")
    density.outputs(np.zeros((1, COLUMNS)))
    _, _, of_outputs = density._outputs.result()._parts[0]
    contexts = (density.native._context, of_outputs)
    kept = [max(context.arrays, key=lambda a: a.nbytes) for context in contexts]
    assert np.shares_memory(*kept)


@pytest.mark.parametrize("backend", ["native", "eager"])
def test_outputs_can_be_left_out(rng, backend):
    data = {"X": rng.normal(size=(30, 2)), "y": outcomes(rng, 30)}
    density = compile_density(read_program(logistic, data), backend)
    q = rng.normal(size=(5, 2))
    everything, some = density.outputs(q), density.outputs(q, ("log_likelihood:",))
    assert set(everything) - set(some) == {"log_likelihood:y"}
    for name, values in some.items():
        np.testing.assert_array_equal(values, everything[name])


def _data(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, dtype=torch.float64, generator=generator)


EIGHT, SEVEN, WIDE = _data(40_000, 8), _data(60_000, 7, 1), _data(8, 40_000)
GROUP = torch.arange(40_000) % 5


def _logistic(rows: int, columns: int):
    X = _data(rows, columns)
    y = (X[:, 0] > 0.3).double()
    return lambda a, b: (
        -torch.nn.functional.binary_cross_entropy_with_logits(X @ b + a, y, reduction="sum")
    )


def _two_predictors(mean, scale):
    spread = (0.1 * (EIGHT @ scale)).exp()
    return torch.distributions.Normal(EIGHT @ mean, spread).log_prob(EIGHT[:, 0]).sum()


def _two_matrices(b, c):
    return (EIGHT @ b).sin().sum() + (SEVEN @ c).cos().sum()


def _grouped(b, effects):
    return torch.tanh(EIGHT @ b + effects[GROUP]).sum()


def _transposed(b):
    return (WIDE.T @ b).sin().sum()


def _marginal(b):
    """Its gradient needs a total over all rows first."""
    return -0.5 * 39_992 * torch.log((EIGHT @ b - EIGHT[:, 0].abs()).square().sum())


STREAMS = [
    (Case("50 columns", _logistic(6_001, 50), ((), (50,)), -0.3, 0.3), 1),
    (Case("64 columns", _logistic(4_099, 64), ((), (64,)), -0.3, 0.3), 1),
    (Case("130 columns", _logistic(2_100, 130), ((), (130,)), -0.2, 0.2), 1),
    (Case("4 columns", _logistic(70_000, 4), ((), (4,)), -0.3, 0.3), 1),
    (Case("two predictors", _two_predictors, ((8,), (8,)), -0.5, 0.5), 1),
    (Case("two matrices", _two_matrices, ((8,), (7,)), -0.5, 0.5), 2),
    (Case("grouped", _grouped, ((8,), (5,)), -0.5, 0.5), 1),
    (Case("transposed", _transposed, ((8,),), -0.5, 0.5), 0),
    (Case("marginal", _marginal, ((8,),), -0.5, 0.5), 0),
]


@pytest.fixture(scope="module")
def streams():
    return compile_cases([item for item, _ in STREAMS])


@pytest.mark.parametrize(("item", "count"), STREAMS, ids=lambda value: getattr(value, "name", ""))
def test_a_large_matrix_is_read_once(streams, item, count):
    compiled = streams[item.name]
    if isinstance(compiled, Exception):
        raise compiled
    assert compiled.emitted.text.count("for(long low=0;") == count
    for seed in range(2):
        assert_same(compiled, item.inputs(seed))


def test_a_stream_that_forgets_the_last_rows_is_caught(monkeypatch):
    right = StreamNest._row_sums
    monkeypatch.setattr(
        StreamNest, "_row_sums", lambda self: right(self).replace("for(;r<high;++r)", "if(false)")
    )
    item = STREAMS[0][0]
    compiled = compile_cases([item])[item.name]
    assert not isinstance(compiled, Exception)
    with pytest.raises(AssertionError, match="Not equal"):
        assert_same(compiled, item.inputs(0))


# --- memory that is written to ---------------------------------------------------------------


def _big(start: float = 0.0) -> torch.Tensor:
    return torch.linspace(start, 1.0, LARGE, dtype=torch.float64)


def _untraced_write(x):
    buffer = _big()
    before = (buffer + x).exp().sum()
    buffer.add_(1.0)
    return before, (buffer + x).exp().sum()


def _traced_write(x):
    buffer = _big()
    before = (buffer + x).exp().sum()
    buffer[1:3] = x
    return before, buffer.sum(), (buffer + x).exp().sum()


def _write_to_a_view(x):
    buffer = _big()
    before = (buffer + x).exp().sum()
    buffer[: LARGE // 2].fill_(0.5)
    return before, (buffer + x).exp().sum()


@pytest.mark.parametrize("function", [_untraced_write, _traced_write, _write_to_a_view])
def test_data_written_while_tracing_keep_their_earlier_value(function):
    item = Case("writes", function, ((1,),), rtol=1e-9)
    compiled = compile_cases([item])["writes"]
    assert not isinstance(compiled, Exception), compiled
    assert_same(compiled, item.inputs(1))


def test_without_the_copy_before_a_write_the_comparison_fails(monkeypatch):
    from probgen.compile.memory import Memory

    monkeypatch.setattr(Memory, "preserve", lambda self, tensor: None)
    item = Case("writes", _untraced_write, ((1,),), rtol=1e-9)
    compiled = compile_cases([item])["writes"]
    with pytest.raises(AssertionError, match="Not equal"):
        assert_same(compiled, item.inputs(1))


def test_a_density_outlives_the_name_of_its_data(rng):
    X, y = rng.normal(size=(ROWS, COLUMNS)), outcomes(rng)
    density = compile_density(read_program(logistic, {"X": X, "y": y}), "native")
    q = rng.normal(size=COLUMNS)
    before = density.value_and_grad(q)[0]
    del X, y
    _ = [rng.normal(size=(ROWS, COLUMNS)) for _ in range(3)]
    assert density.value_and_grad(q)[0] == before


def test_small_data_are_copied(rng):
    X, y = rng.normal(size=(50, 2)), outcomes(rng, 50)
    density = compile_density(read_program(logistic, {"X": X, "y": y}), "native")
    before = density.value_and_grad(np.ones(2))[0]
    X[:] = 0.0
    assert density.value_and_grad(np.ones(2))[0] == before
    assert density.eager_value_and_grad(np.ones(2))[0] == pytest.approx(before)


def test_reuse_notices_that_large_data_were_overwritten(rng):
    forget()
    X, y = rng.normal(size=(ROWS, COLUMNS)), outcomes(rng)
    original, q = X.copy(), rng.normal(size=COLUMNS)
    first = density_of(logistic, {"X": X, "y": y})[0].value_and_grad(q)[0]
    assert density_of(logistic, {"X": X, "y": y})[1]
    assert density_of(logistic, {"X": original, "y": y})[1]
    X *= 0.5
    changed, reused = density_of(logistic, {"X": X, "y": y})
    assert not reused
    assert changed.value_and_grad(q)[0] == pytest.approx(changed.eager_value_and_grad(q)[0])
    assert changed.value_and_grad(q)[0] != pytest.approx(first, rel=1e-6)
    # equal to what the first density was compiled for, whose memory has changed since
    again, _ = density_of(logistic, {"X": original, "y": y})
    assert again.value_and_grad(q)[0] == pytest.approx(first, rel=1e-12)
    forget()


def test_kept_densities_hold_a_bounded_amount_of_data(rng, monkeypatch):
    from probgen.targets import reuse

    forget()
    monkeypatch.setattr(reuse, "_KEPT_BYTES", 3 * 1000 * 2 * 8)
    y = outcomes(rng, 1000)
    for _ in range(5):
        density_of(logistic, {"X": rng.normal(size=(1000, 2)), "y": y})
    assert len(reuse._densities) == 3
    forget()


# --- the whole of it -------------------------------------------------------------------------

_MEMORY = """
import numpy as np, pyro, pyro.distributions as dist, torch
import probgen as pg

def program(X, y):
    b = pyro.sample("b", dist.Normal(torch.zeros(X.shape[-1]), 1.0).to_event(1))
    with pyro.plate("rows", len(X)):
        pyro.sample("y", dist.Bernoulli(logits=X @ b), obs=y)

def memory(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

def run(rows):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((rows, 50)), (rng.random(rows) < 0.5).astype(float)
    method = pg.NUTS(max_tree_depth=2)
    pg.infer(program, method, data={"X": X, "y": y}, chains=2, draws=5, warmup=15,
             init={"b": np.zeros(50)}, progress=False, log_likelihood=False)
    return X.nbytes

run(100)
base = memory("VmRSS")
used = run(200_000)
print((memory("VmHWM") - base) / used)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_regression_needs_little_more_than_its_data():
    """Peak memory of the whole inference, the data included: about 1.5 times the data."""
    run = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 2.0


def test_the_block_size_is_small_beside_large_data():
    assert 4 * table._BLOCK <= LARGE
