"""Runs of simulations in stores: broken off anywhere, killed, stopped, and gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import probgen as pg
from probgen.api import infer, resume
from probgen.errors import ModelError, OptionError, SamplingError, StoreError
from probgen.inference import recorder
from probgen.inference.likelihood_free import prepare, simulator
from probgen.inference.likelihood_free.nearest import Nearest
from probgen.inference.likelihood_free.walk import Walk
from probgen.results.store.store import Store
from tests.inference.test_background import until
from tests.inference.test_resume import BrokenOff, equal

Y = torch.linspace(-4.0, 8.0, 20)
LEVEL = 1.0


def normal_mean(y=None):
    mu = pyro.sample("mu", dist.Normal(0.0, LEVEL))
    pyro.deterministic("twice", 2 * mu)
    with pyro.plate("row", 20):
        pyro.sample("y", dist.Normal(mu, 3.0), obs=y)


def mean_of(data):
    return data["y"].mean()


def spread_of(data):
    return [data["y"].mean(), data["y"].std()]


WALK = pg.SMCABC(summaries=mean_of, populations=3)
NEAREST = pg.RejectionABC(quantile=0.04, summaries=mean_of)
WITHIN = pg.RejectionABC(epsilon=0.2, summaries=mean_of)
COMMON = {"data": {"y": Y}, "seed": 3, "chains": 2, "draws": 50, "progress": False}
every = pytest.mark.parametrize("method", [WALK, NEAREST, WITHIN], ids=["walk", "near", "within"])


SMALL = (
    (simulator, "_BATCH", 200),
    (simulator, "_BATCH_APART", 20),
    (prepare, "PILOT", 100),
    (recorder, "EVERY", 0.0),
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """So that every run takes many, and each is written at once."""
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def break_after(monkeypatch):
    """End the process, as it were, in place of some batch; None lets all be made."""
    steps = {kind: kind.step for kind in (Walk, Nearest)}

    def arm(batches: int | None, error: type[BaseException] = BrokenOff) -> None:
        left = [batches]

        def limited(self, state):
            if left[0] == 0:
                raise error
            left[0] = None if left[0] is None else left[0] - 1
            return steps[type(self)](self, state)

        for kind in steps:
            monkeypatch.setattr(kind, "step", limited)

    return arm


def told(tree):
    """The attributes that the run decides."""
    return {k: v for k, v in tree.attrs.items() if not k.startswith("seconds_")}


@every
def test_a_stored_run_is_the_run_in_memory(tmp_path, method):
    whole = infer(normal_mean, method, **COMMON)
    tree = infer(normal_mean, method, store=tmp_path / "s.zarr", **COMMON)
    for stored in (tree, xr.open_datatree(tmp_path / "s.zarr", engine="zarr")):
        equal(whole, stored)
        assert told(whole) == told(stored)
    assert tree["posterior"].attrs == tree.attrs
    equal(whole, resume(tmp_path / "s.zarr"))


@every
@pytest.mark.parametrize("batches", [0, 1, 6])
def test_broken_off_and_gone_on_with(tmp_path, method, break_after, batches):
    whole = infer(normal_mean, method, **COMMON)
    break_after(batches)
    with pytest.raises(BrokenOff) as raised:
        infer(normal_mean, method, store=tmp_path / "s.zarr", **COMMON)
    so_far = pg.open_tree(tmp_path / "s.zarr")
    assert ("posterior" in so_far.children) == (batches > 1 or (batches == 1 and method != WALK))
    if "posterior" in so_far.children:
        drawn = so_far["posterior"].sizes["draw"]
        assert f"holds the {drawn} draws" in raised.value.__notes__[0]
        assert so_far.attrs["interrupted"] == 1
        assert "resume" in so_far.attrs["notes"]
        distance = so_far["sample_stats"]["distance"]
        assert float(distance.max()) <= so_far.attrs["epsilon"]
        mu, twice = (so_far["posterior"][name].values for name in ("mu", "twice"))
        np.testing.assert_array_equal(2 * mu, twice)
        if method == WITHIN:
            np.testing.assert_array_equal(mu, whole["posterior"]["mu"].values[:, :drawn])
        elif method == WALK:
            assert so_far.attrs["epsilon"] > whole.attrs["epsilon"]
        else:
            assert drawn == int(0.04 * 200 * batches) // 2
    break_after(None)
    tree = resume(tmp_path / "s.zarr", method=method, progress=False)
    equal(whole, tree)
    assert told(whole) == told(tree)


@every
def test_a_wrong_state_would_be_noticed(tmp_path, method, break_after, monkeypatch):
    whole = infer(normal_mean, method, **COMMON)
    break_after(7)
    with pytest.raises(BrokenOff):
        infer(normal_mean, method, store=tmp_path / "s.zarr", **COMMON)
    break_after(None)
    for kind in (Walk, Nearest):  # the batch in hand is made again
        begin = kind.begin
        monkeypatch.setattr(kind, "begin", lambda self, begin=begin: forgetful(begin(self)))
    with pytest.raises(AssertionError):
        equal(whole, resume(tmp_path / "s.zarr", method=method, progress=False))


def forgetful(state):
    from dataclasses import replace

    return replace(state, batches=max(state.batches - 1, 0), made=state.made - 200)


def test_interrupted_and_gone_on_with(tmp_path, break_after):
    whole = infer(normal_mean, WALK, **COMMON)
    break_after(9, KeyboardInterrupt)
    tree = infer(normal_mean, WALK, store=tmp_path / "s.zarr", **COMMON)
    assert tree.attrs["interrupted"] == 1
    assert 0 < tree["history"].sizes["step"] < whole["history"].sizes["step"]
    reached = float(tree["history"]["epsilon"][-1])
    assert reached == tree.attrs["epsilon"] > whole.attrs["epsilon"]
    assert f"its tolerance {reached:.3g}" in tree.attrs["notes"]
    break_after(None)
    equal(whole, resume(tmp_path / "s.zarr", method=WALK, progress=False))
    break_after(1, KeyboardInterrupt)  # of the first population
    with pytest.raises(KeyboardInterrupt):
        infer(normal_mean, WALK, store=tmp_path / "t.zarr", **COMMON)
    break_after(None)
    equal(whole, resume(tmp_path / "t.zarr", method=WALK, progress=False))


def slow_mean(y=None):
    """Rows run one after another, at about a millisecond each."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    noise = np.random.normal(0.0, 3.0 / 20**0.5)
    pyro.sample("y", pg.Implicit(mu + noise, 0), obs=y)


SLOW = {**COMMON, "data": {"y": 2.0}, "draws": 10}
SLOW_WALK = pg.SMCABC(populations=30, least_acceptance=0.001)


def begin_slow(path: str) -> None:
    """What the process runs that is killed."""
    for module, name, value in SMALL:
        setattr(module, name, value)
    infer(slow_mean, SLOW_WALK, store=path, **SLOW)


def killed_after(path, enough) -> None:
    """Begin a run in another process, and kill it when its store has `enough`."""
    code = f"from {__name__} import begin_slow; begin_slow({str(path)!r})"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    try:
        until(lambda: (path / "zarr.json").is_file() and enough(pg.open_tree(path)))
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL


def test_killed_and_gone_on_with(tmp_path, monkeypatch):
    killed_after(tmp_path / "s.zarr", lambda tree: len(tree.get("history", ())) > 0)
    so_far = pg.open_tree(tmp_path / "s.zarr")
    assert so_far["posterior"].sizes == {"chain": 2, "draw": 10}
    assert float(so_far["sample_stats"]["distance"].max()) <= so_far.attrs["epsilon"]
    short = pg.SMCABC(populations=30, least_acceptance=0.001)
    background = resume(tmp_path / "s.zarr", slow_mean, method=short, background=True)
    until(lambda: background.tree().attrs["epsilon"] < so_far.attrs["epsilon"])
    tree = background.stop()
    again = Stopping(tree["history"].sizes["step"])
    monkeypatch.setattr(Walk, "goes_on", again)
    equal(infer(slow_mean, SLOW_WALK, **SLOW), tree)


class Stopping:
    """Ends a walk, as by Ctrl-C, after so many populations."""

    def __init__(self, populations: int) -> None:
        self.populations = populations

    def __get__(self, walk, kind):
        return lambda state: self._goes_on(state)

    def _goes_on(self, state):
        if len(state.epsilons) >= self.populations:
            raise KeyboardInterrupt
        return True


@pytest.mark.parametrize("stored", [True, False])
def test_in_the_background(tmp_path, stored):
    store = tmp_path / "s.zarr" if stored else None
    began = time.monotonic()
    run = infer(slow_mean, SLOW_WALK, store=store, background=True, **SLOW)
    assert run.running
    until(lambda: "posterior" in run.tree().children)
    assert "tolerance" in run.progress.doing
    assert "% accepted" in run.progress.doing
    assert "simulations" in run.progress.doing
    early = run.tree()
    tree = run.stop()
    assert not run.running
    assert tree.attrs["interrupted"] == 1
    assert tree.attrs["epsilon"] <= early.attrs["epsilon"]
    assert tree.attrs["seconds_sampling"] < time.monotonic() - began
    assert tree["posterior"].sizes["draw"] == 10
    assert (
        store is None or (pg.open_tree(store)["posterior"]["mu"] == tree["posterior"]["mu"]).all()
    )


def test_the_background_gives_what_the_foreground_does():
    run = infer(normal_mean, NEAREST, background=True, **COMMON)
    equal(infer(normal_mean, NEAREST, **COMMON), run.result())
    few = pg.RejectionABC(quantile=0.001, simulations=10)
    with pytest.raises(OptionError, match="are allowed"):  # at once
        infer(normal_mean, few, background=True, **COMMON)


def test_readers_never_see_two_populations_at_once(tmp_path, monkeypatch):
    """Killed at any moment of a write, a store holds all of one population."""
    whole, seen = Store.commit, []

    def looked_at(self, *rest, **more):
        if (self.path / "posterior").is_dir():
            tree = pg.open_tree(self.path)
            if "posterior" in tree.children:
                mu, twice = (tree["posterior"][name].values for name in ("mu", "twice"))
                seen.append((2 * mu == twice).all())
                assert float(tree["sample_stats"]["distance"].max()) <= tree.attrs["epsilon"]
        return whole(self, *rest, **more)

    monkeypatch.setattr(Store, "commit", looked_at)
    infer(normal_mean, WALK, store=tmp_path / "s.zarr", **COMMON)
    assert len(seen) > 5
    assert all(seen)


def test_one_place_for_all_populations_is_caught(tmp_path, monkeypatch):
    one = (("default", "."), ("default", "."))
    monkeypatch.setattr("probgen.results.store.store.PLACES", one)
    with pytest.raises((AssertionError, StoreError)):
        test_readers_never_see_two_populations_at_once(tmp_path, monkeypatch)


class TestGoingOn:
    def test_a_tolerance_can_be_extended_and_other_runs_cannot(self, tmp_path):
        infer(normal_mean, WITHIN, store=tmp_path / "s.zarr", **COMMON)
        longer = resume(tmp_path / "s.zarr", method=WITHIN, draws=60, progress=False)
        equal(infer(normal_mean, WITHIN, **COMMON | {"draws": 60}), longer)
        for method in (WALK, NEAREST):
            infer(normal_mean, method, store=tmp_path / method.name, **COMMON)
            with pytest.raises(OptionError, match=r"draws=51.*Start a new run"):
                resume(tmp_path / method.name, method=method, draws=51)

    def test_functions_are_asked_for_and_known_by_their_names(self, tmp_path, break_after):
        assert "summaries=mean_of" in repr(WALK)
        break_after(9, KeyboardInterrupt)
        infer(normal_mean, WALK, store=tmp_path / "s.zarr", **COMMON)
        with pytest.raises(OptionError, match=r"cannot be made again.*Pass it"):
            resume(tmp_path / "s.zarr")
        with pytest.raises(OptionError, match="another method"):
            resume(tmp_path / "s.zarr", method=pg.SMCABC(summaries=spread_of, populations=3))
        same_name = pg.SMCABC(summaries=named("mean_of", spread_of), populations=3)
        with pytest.raises(ModelError, match=r"Simulations of 'normal_mean'"):
            resume(tmp_path / "s.zarr", method=same_name, progress=False)

    def test_a_method_without_functions_is_made_again(self, tmp_path, break_after):
        method = pg.SMCABC(populations=2, quantile=0.6)
        break_after(7, KeyboardInterrupt)
        infer(normal_mean, method, store=tmp_path / "s.zarr", **COMMON)
        break_after(None)
        equal(infer(normal_mean, method, **COMMON), resume(tmp_path / "s.zarr", progress=False))

    def test_a_program_that_reads_something_else_now_is_refused(
        self, tmp_path, break_after, monkeypatch
    ):
        break_after(9, KeyboardInterrupt)
        infer(normal_mean, WALK, store=tmp_path / "s.zarr", **COMMON)
        monkeypatch.setitem(globals(), "LEVEL", 1.5)
        with pytest.raises(ModelError, match=r"Simulations of 'normal_mean' are not what"):
            resume(tmp_path / "s.zarr", method=WALK)

    def test_a_method_beside_the_program_in_its_file(self, tmp_path, break_after):
        file = tmp_path / "coin.py"
        file.write_text(
            "import pyro, pyro.distributions as dist, probgen as pg\n"
            "def coin(y):\n"
            "    p = pyro.sample('p', dist.Beta(1.0, 1.0))\n"
            "    pyro.sample('y', dist.Binomial(20, p), obs=y)\n"
            "method = pg.RejectionABC(epsilon=1.0, summaries=lambda data: data['y'])\n"
        )
        model, given = pg.load_model(file), {**COMMON, "data": {"y": 6.0}}
        break_after(2, KeyboardInterrupt)
        infer(model.program, model.method, store=tmp_path / "s.zarr", **given | {"draws": 300})
        break_after(None)
        tree = resume(tmp_path / "s.zarr", progress=False)
        equal(infer(model.program, model.method, **given | {"draws": 300}), tree)

    def test_what_failed_leaves_its_draws(self, tmp_path):
        few = pg.RejectionABC(epsilon=0.05, summaries=mean_of, simulations=3000)
        with pytest.raises(SamplingError, match="came that near") as raised:
            infer(normal_mean, few, store=tmp_path / "s.zarr", **COMMON)
        drawn = pg.open_tree(tmp_path / "s.zarr")["posterior"].sizes["draw"]
        assert f"holds the {drawn} draws" in raised.value.__notes__[0]
        with pytest.raises(StoreError, match="overwrite"):
            infer(normal_mean, few, store=tmp_path / "s.zarr", **COMMON)


def named(name, function):
    def called(data):
        return function(data)

    called.__name__ = name
    return called
