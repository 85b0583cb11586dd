"""Runs on a thread: looked at, stopped, waited for; what goes wrong comes out at the end."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import probgen as pg
from probgen.api import infer, resume
from probgen.errors import StoreError
from probgen.inference import recorder
from tests.inference.test_resume import COMMON, WALK, ZOO, equal
from tests.inference.walking import Walk

SLOW = Walk(nap=0.002)
MANY = {**COMMON, "draws": 20_000, "chains": 2}


@pytest.fixture(autouse=True)
def _write_at_once(monkeypatch):
    monkeypatch.setattr(recorder, "EVERY", 0.0)


def until(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def drawn(tree) -> int:
    return tree["posterior"].sizes["draw"] if "posterior" in tree.children else 0


@pytest.mark.parametrize("stored", [True, False])
def test_looked_at_and_stopped(tmp_path, stored):
    store = tmp_path / "s.zarr" if stored else None
    run = infer(ZOO.program, SLOW, store=store, background=True, **MANY)
    until(lambda: drawn(run.tree()) > 5)
    assert run.running
    assert "running" in repr(run)
    assert run.progress.iterations[0] > 20
    assert run.progress.total == 20_020
    early = run.tree()
    with pytest.raises(TimeoutError):
        run.result(timeout=0.01)
    tree = run.stop()
    assert not run.running
    assert drawn(early) <= drawn(tree) < 20_000
    assert tree.attrs["interrupted"] == 1
    expected = infer(ZOO.program, WALK, **{**MANY, "draws": drawn(tree)})
    np.testing.assert_array_equal(tree["posterior"]["mu"], expected["posterior"]["mu"])
    equal(tree, run.tree())
    equal(tree, run.stop())
    assert run.wait(1.0)
    if stored:
        more = resume(store, method=SLOW, background=True, progress=False)
        until(lambda: drawn(more.tree()) > drawn(tree))
        more.stop()


def test_the_result_is_that_of_the_foreground():
    run = infer(ZOO.program, WALK, background=True, **COMMON)
    tree = run.result()
    equal(infer(ZOO.program, WALK, **COMMON), tree)
    assert not run._path.exists()
    assert tree["posterior"]["mu"].variable._in_memory


def test_native_samplers_and_networks_stop_too():
    run = infer(ZOO.program, pg.NUTS(), background=True, **{**COMMON, "draws": 50_000_000})
    until(lambda: drawn(run.tree()) > 0)
    assert 0 < drawn(run.stop()) < 50_000_000
    asia = pg.load_network("asia")
    run = infer(asia, pg.Gibbs(), background=True, draws=100_000_000, chains=4, progress=False)
    until(lambda: drawn(run.tree()) > 0 and run.progress is not None)
    assert run.progress.done > 0
    assert 0 < drawn(run.stop()) < 100_000_000


def test_errors_surface_at_the_result(tmp_path):
    class Failing(Walk):
        def run(self, density, plan):
            raise FloatingPointError("overflow")

    run = infer(ZOO.program, Failing(), background=True, **COMMON)
    run.wait()
    assert "failed" in repr(run)
    for act in (run.result, run.stop, run.tree):
        with pytest.raises(FloatingPointError):
            act()
    with pytest.raises(pg.ProbgenError):  # what is wrong with the call is told at once
        infer(ZOO.program, WALK, background=True, **{**COMMON, "data": {}})


def test_stopped_before_the_first_draw():
    run = infer(ZOO.program, SLOW, background=True, **{**MANY, "warmup": 20_000})
    until(lambda: run.progress is not None)
    with pytest.raises(StoreError, match="before its first draw"):
        run.stop()


def test_a_finished_store_in_the_background(tmp_path):
    tree = infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    equal(tree, resume(tmp_path / "s.zarr", method=WALK, background=True).result())


def test_two_runs_at_once_do_not_disturb_each_other():
    runs = [infer(ZOO.program, WALK, background=True, **{**COMMON, "seed": s}) for s in (1, 2)]
    for seed, run in zip((1, 2), runs, strict=True):
        equal(infer(ZOO.program, WALK, **{**COMMON, "seed": seed}), run.result())
    assert threading.active_count() < 20
