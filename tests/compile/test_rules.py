"""Every lowering rule against torch: value, gradients and outputs at three points each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from probgen.compile.rules import RULES
from probgen.errors import UnsupportedOperation
from tests.compile import elementwise_cases, place_cases, shape_cases
from tests.compile.compiled import SEEN, Case, assert_matches, assert_same, compile_cases, lowered

CASES = [*elementwise_cases.CASES, *shape_cases.CASES, *place_cases.CASES]
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


def test_a_wrong_rule_is_caught(monkeypatch):
    monkeypatch.setitem(RULES, torch.ops.aten.sin.default, RULES[torch.ops.aten.cos.default])
    with pytest.raises(AssertionError, match="Not equal"):
        assert_matches(torch.sin, (3,))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: torch.linalg.eigvalsh(x), "aten._linalg_eigh"),
        (lambda x: x.sort(0)[0], "aten.sort"),
        (lambda x: torch.fft.fft(x).real, "aten._fft_r2c"),
        (lambda x: torch.polygamma(2, x), "polygamma function of order 2"),
        (lambda x: x.float().exp(), "a conversion to torch.float32"),
        (lambda x: x.clone().index_put((x[0].abs().long(),), x[0]), "writing at positions"),
    ],
)
def test_an_operation_without_a_rule_is_named(function, operation):
    with pytest.raises(UnsupportedOperation, match=operation):
        lowered(Case("", function, ((3, 3),)))


def test_the_line_of_the_program_is_named():
    with pytest.raises(UnsupportedOperation, match=r"test_rules.py:\d+ needs aten.sort"):
        lowered(Case("", lambda x: x.sort(0)[0], ((3,),)))
