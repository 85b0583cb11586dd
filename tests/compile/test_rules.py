"""Every lowering rule against torch: value, gradients and outputs at three points each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F

from probgen.compile.rules import RULES
from probgen.errors import UnsupportedOperation
from tests.compile import elementwise_cases, further_cases, place_cases, shape_cases
from tests.compile.compiled import SEEN, Case, assert_matches, assert_same, compile_cases, lowered

CASES = [*elementwise_cases.CASES, *shape_cases.CASES, *place_cases.CASES, *further_cases.CASES]
BATCH = 24
_compiled: dict = {}
_lock = threading.Lock()


def compiled(case: Case):
    """The case as native code; all are built together, two libraries at a time."""
    with _lock:
        if not _compiled:
            batches = [CASES[i : i + BATCH] for i in range(0, len(CASES), BATCH)]
            with ThreadPoolExecutor(2) as pool:
                for results in pool.map(compile_cases, batches):
                    _compiled.update(results)
    result = _compiled[case.name]
    if isinstance(result, Exception):
        raise result
    return result


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_matches_torch(case):
    for seed in range(3):
        assert_same(compiled(case), case.inputs(seed))


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
def test_every_rule_has_a_case():
    for case in CASES:
        lowered(case)
    assert [str(operation) for operation in RULES if operation not in SEEN] == []


BROKEN = {
    "cosine for sine": (torch.ops.aten.sin.default, torch.ops.aten.cos.default, torch.sin),
    "smallest for largest": (
        torch.ops.aten.cummax.default, torch.ops.aten.cummin.default, lambda x: x.cummax(0)[0]),
    "above for below": (
        torch.ops.aten.igamma.default, torch.ops.aten.igammac.default,
        lambda x: torch.special.gammainc(torch.ones(3), x.exp())),
    "inverse for exponential": (
        torch.ops.aten.linalg_matrix_exp.default, torch.ops.aten.exp.default,
        lambda x: torch.matrix_exp(torch.outer(x, x))),
}  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "function"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_rule_is_caught(right, wrong, function, monkeypatch):
    monkeypatch.setitem(RULES, right, RULES[wrong])
    with pytest.raises(AssertionError, match="Not equal"):
        assert_matches(function, (3,))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: torch.linalg.eigvals(x).real, "aten.linalg_eig"),
        (lambda x: x.mode(0)[0], "aten.mode"),
        (lambda x: torch.fft.fft(x).real, "aten._fft_r2c"),
        (lambda x: x.float().exp(), "a conversion to torch.float32"),
        (lambda x: F.avg_pool1d(x, 2, ceil_mode=True), "ceil_mode=True"),
        (lambda x: torch.linalg.eigvalsh(x.repeat(50, 50)), "larger than 128"),
    ],
)
def test_an_operation_without_a_rule_is_named(function, operation):
    with pytest.raises(UnsupportedOperation, match=operation):
        lowered(Case("", function, ((3, 3),)))


def test_the_line_of_the_program_is_named():
    with pytest.raises(UnsupportedOperation, match=r"test_rules.py:\d+ needs aten.mode"):
        lowered(Case("", lambda x: x.mode(0)[0], ((3,),)))
