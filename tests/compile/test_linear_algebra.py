"""Products, factorisations and solves that go to a BLAS, against torch."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from probgen.compile import blas
from probgen.compile.cholesky import cholesky_backward
from tests.compile.compiled import Case, assert_matches, assert_same, case, compile_cases, lowered

LARGE = torch.randn(40, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def positive_definite(a: torch.Tensor) -> torch.Tensor:
    return a @ a.mT + a.shape[-1] * torch.eye(a.shape[-1], dtype=a.dtype)


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b


def inside(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a.permute(1, 0, 2) @ b.permute(1, 2, 0)


def shifted(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    return torch.addmm(c, a, b, beta=0.5, alpha=2)


def upper_factor(a: torch.Tensor) -> torch.Tensor:
    return torch.linalg.cholesky(positive_definite(a), upper=True)


def status(a: torch.Tensor) -> torch.Tensor:
    factor, info = torch.linalg.cholesky_ex(positive_definite(a))
    return torch.where(info[..., None, None] > 0, 0.0, factor)


def solve(upper: bool, flipped: bool, left: bool, unit: bool = False):
    def function(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a = (a.mT if flipped else a) / 20 + 5 * torch.eye(a.shape[-1], dtype=a.dtype)
        b = b if left else b.mT
        return torch.linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unit)

    return function


def regression(p: torch.Tensor) -> torch.Tensor:
    """The log marginal likelihood of a Gaussian process."""
    t = torch.linspace(0, 5, 40, dtype=torch.float64)
    k = p[0].exp() * torch.exp(-((t[:, None] - t) ** 2) * p[1].exp())
    factor = torch.linalg.cholesky(k + (p[2].exp() + 0.1) * torch.eye(40, dtype=t.dtype))
    half = torch.linalg.solve_triangular(factor, t.sin()[:, None], upper=False)
    return -0.5 * half.square().sum() - factor.diagonal().log().sum()


CALLING = [
    case("square", product, (30, 30), (30, 30)),
    case("oblong", product, (30, 17), (17, 9)),
    case("left transposed", lambda a, b: a.T @ b, (17, 30), (17, 9)),
    case("right transposed", lambda a, b: a @ b.T, (30, 17), (9, 17)),
    case("both transposed", lambda a, b: a.T @ b.T, (17, 30), (9, 17)),
    case("rows and columns", lambda a, b: a[1:31, 2:19] @ b[:17, 1:], (40, 20), (20, 10)),
    case("steps", lambda a, b: a[::2, ::2] @ b[::2], (40, 34), (34, 9)),
    case("flipped", lambda a, b: a.flip(0) @ b.flip(1), (30, 17), (17, 9)),
    case("batch", product, (3, 12, 10), (3, 10, 11)),
    case("batch by one", product, (3, 12, 10), (10, 11)),
    case("one by batch", product, (12, 10), (3, 10, 11)),
    case("two batches", product, (2, 3, 12, 10), (1, 3, 10, 11)),
    case("batch inside", inside, (12, 3, 10), (11, 3, 10)),
    case("expanded", lambda a, b: a.expand(12, 10) @ b, (1, 10), (10, 12)),
    case("constant", lambda a: LARGE.T @ a, (40, 11)),
    case("part of a constant", lambda a: LARGE[3:33, ::2] @ a, (15, 11)),
    case("addmm", shifted, (30, 17), (17, 9), (9,)),
    case("baddbmm", lambda a, b, c: torch.baddbmm(c, a, b), (3, 12, 10), (3, 10, 11), (3, 12, 11)),
    case("einsum", lambda a, b: torch.einsum("ij,kj->ik", a, b), (30, 17), (12, 17)),
    case("Cholesky", lambda a: torch.linalg.cholesky(positive_definite(a)), (30, 30)),
    case("Cholesky, upper", upper_factor, (30, 30)),
    case("Cholesky, batch", lambda a: torch.linalg.cholesky(positive_definite(a)), (2, 2, 26, 26)),
    case("Gaussian process", regression, (3,)),
]  # fmt: skip
CALLING += [
    case(f"solve {upper=:} {flipped=:} {left=:} {m}", solve(upper, flipped, left), (n, n), (n, m))
    for upper in (False, True)
    for flipped in (False, True)
    for left in (True, False)
    for m, n in ((1, 30), (7, 150))
]
CALLING += [
    case(f"Cholesky of {n}", lambda a: torch.linalg.cholesky(positive_definite(a)), (n, n))
    for n in (23, 24, 49, 100)
]
CALLING += [
    case("solve, unit", solve(False, False, True, True), (80, 80), (80, 3)),
    case("solve, batch", solve(True, False, True), (3, 30, 30), (3, 30, 4)),
    case("solve, one for all", solve(True, True, True), (30, 30), (3, 30, 4)),
]
LOOPING = [
    case("1 x 1", product, (1, 1), (1, 1)),
    case("vector", lambda a, b: a @ b, (50, 40), (40,)),
    case("column", product, (50, 40), (40, 1)),
    case("outer", product, (50, 1), (1, 50)),
    case("no rows", product, (0, 40), (40, 50)),
    case("no terms", product, (40, 0), (0, 50)),
    case("no batch", product, (0, 20, 20), (0, 20, 20)),
    case("small Cholesky", lambda a: torch.linalg.cholesky(positive_definite(a)), (3, 3)),
    case("Cholesky and status", status, (2, 3, 3)),
    case("Cholesky of one", lambda a: torch.linalg.cholesky(positive_definite(a)), (1, 1)),
    case("solve for nothing", solve(False, False, True), (30, 30), (30, 0)),
]


@pytest.fixture(scope="module")
def compiled():
    return compile_cases(CALLING + LOOPING)


@pytest.mark.parametrize("item", CALLING + LOOPING, ids=lambda item: item.name)
def test_value_and_gradients_are_torch_s(compiled, item: Case):
    function = compiled[item.name]
    if isinstance(function, Exception):
        raise function
    assert _calls(function.emitted.text) == (item in CALLING)
    with blas.single_threaded():
        for seed in range(2):
            assert_same(function, item.inputs(seed))


def _calls(text: str) -> bool:
    return any(name in text for name in ("probgen::gemm(", "_lapack(", "_blas("))


def test_without_scipy_s_routines_everything_is_a_loop(monkeypatch):
    monkeypatch.setattr(blas, "_table", lambda: None)
    items = [CALLING[1], CALLING[12], CALLING[19], CALLING[22], CALLING[-1]]
    for name, function in compile_cases(items).items():
        assert not isinstance(function, Exception), name
        assert not _calls(function.emitted.text)
        assert_same(function, function.case.inputs(0))


@pytest.mark.parametrize("fault", ["transposition", "step", "triangle", "half"])
def test_a_broken_variant_is_caught(monkeypatch, fault):
    place = blas._place

    def wrong(view):
        found = place(view)
        step, lead, flipped = found or (0, 1, 0)
        return found and ((step, lead, 1 - flipped) if fault == "transposition" else (0, lead, 0))

    cases = {"transposition": 0, "step": 8, "triangle": 23, "half": 19}
    item = CALLING[cases[fault]]
    if fault == "half":
        derivative = blas.cholesky_backward
        monkeypatch.setattr(
            blas, "cholesky_backward", lambda g, a, b: derivative(g, a.permute((1, 0)), b)
        )
    elif fault == "triangle":
        right = blas.solve_triangular
        monkeypatch.setattr(
            blas, "solve_triangular", lambda g, a, b, upper, unit: right(g, a, b, not upper, unit)
        )
    else:
        monkeypatch.setattr(blas, "_place", wrong)
    function = compile_cases([item])[item.name]
    assert not isinstance(function, Exception)
    with pytest.raises(AssertionError, match="Not equal"):
        assert_same(function, item.inputs(0))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def test_the_formula_of_the_derivative_is_torch_s():
    generator = torch.Generator().manual_seed(1)
    for shape in ((1, 1), (2, 5, 5), (30, 30)):
        a = positive_definite(_normal(shape, generator)).requires_grad_()
        factor = torch.linalg.cholesky(a)
        grad = _normal(shape, generator)
        expected = torch.autograd.grad(factor, a, grad)[0]
        torch.testing.assert_close(cholesky_backward(grad, factor.detach()), expected)


def test_a_program_may_differentiate_a_factor_itself():
    def function(a: torch.Tensor) -> torch.Tensor:
        k = positive_definite(a)
        spread = torch.linalg.cholesky(k).diagonal().log().sum()
        return torch.autograd.grad(spread, k, create_graph=True)[0].square().sum()

    assert_matches(function, (3, 3), rtol=1e-9)


@pytest.mark.parametrize("size", [3, 30, 100])
def test_what_is_not_positive_definite_gives_nan(size):
    def function(a: torch.Tensor) -> torch.Tensor:
        return torch.linalg.cholesky_ex(a @ a.mT - 5 * torch.eye(size, dtype=a.dtype)).L

    item = case("indefinite", function, (size, size), low=-0.1, high=0.1)
    result = compile_cases([item])["indefinite"](item.inputs(0))
    assert np.isnan(result["value"])
    assert np.isnan(np.diagonal(result["out:0"])).any()
    assert not np.triu(result["out:0"], 1).any()


def test_a_singular_triangle_is_not_finite():
    item = case("singular", lambda b: _solve_singular(b), (30, 4))
    result = compile_cases([item])["singular"](item.inputs(0))
    assert not np.isfinite(result["value"])


def _solve_singular(b: torch.Tensor) -> torch.Tensor:
    matrix = torch.tril(torch.ones(30, 30, dtype=torch.float64))
    matrix[7, 7] = 0.0
    return torch.linalg.solve_triangular(matrix, b, upper=False)


def test_the_text_holds_no_address():
    """So that a compiled density serves the next process, too."""
    emitted = lowered(CALLING[0]).emitted
    assert blas.calls_blas(emitted.constants)
    addresses = blas._table().view(np.uintp)
    assert not any(str(address) in emitted.text for address in addresses)
    assert not blas.calls_blas(lowered(LOOPING[0]).emitted.constants)


def test_the_blas_has_one_thread_inside_and_its_own_again_outside():
    assert blas._table() is not None
    libraries = blas._libraries()
    before = [library.get_num_threads() for library in libraries]
    for library in libraries:
        blas._set_threads(library, 2)
    inside, together = [], threading.Barrier(3)

    def work() -> None:
        with blas.single_threaded():
            together.wait()
            inside.extend(library.get_num_threads() for library in libraries)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = [library.get_num_threads() for library in libraries]
    for library, count in zip(libraries, before, strict=True):
        blas._set_threads(library, count)
    assert set(inside) == {1}
    assert set(after) == {2}
