"""Runs on machines in a store: broken off and gone on with to the same bits, stopped, refused."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from tests.inference.boltzmann.likelihood.machines import machine, restricted

METHODS = [pg.Gibbs(thin=2), pg.ParallelTempering(), pg.HMC()]
DATA = {"x": [1, np.nan, 0, np.nan, np.nan]}
SIZE = {"chains": 4, "warmup": 40, "seed": 3, "progress": False}


def same(first, second):
    for group in ("posterior", "sample_stats", "marginals", "observed_data"):
        for name, values in first[group].data_vars.items():
            assert np.array_equal(values, second[group][name], equal_nan=True), (group, name)


class Stop(Exception):
    pass


def broken_off(monkeypatch, path, method, pieces, draws):
    """Make a run that dies after so many pieces were stored."""
    from probgen.inference import recorder
    from probgen.inference.graphical import pieces as lengths

    keep, done = recorder.Recorder.keep, []

    def counted(self, piece):
        keep(self, piece)
        done.append(piece.state.iteration)
        if len(done) == pieces:
            raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(recorder, "EVERY", 0.0)
        patched.setattr(lengths, "PIECE_SECONDS", 0.0)
        patched.setattr(recorder.Recorder, "keep", counted)
        with pytest.raises(Stop):
            pg.infer(
                restricted(5, 3),
                method,
                data=DATA,
                draws=draws,
                store=path,
                overwrite=True,
                **SIZE,
            )
    return done[-1]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_run_goes_on_to_the_same_bits(method, tmp_path, monkeypatch):
    draws, stops = (3000, (3,)) if method.name == "HMC" else (300, (1, 2, 4))
    whole = pg.infer(restricted(5, 3), method, data=DATA, draws=draws, **SIZE)
    for pieces in stops:
        path = tmp_path / f"{pieces}.zarr"
        broken_off(monkeypatch, path, method, pieces, draws)
        same(whole, pg.resume(path, progress=False))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_finished_run_is_extended(method, tmp_path):
    model, path = restricted(5, 3), tmp_path / "run.zarr"
    pg.infer(model, method, data=DATA, draws=50, store=path, **SIZE)
    more = pg.resume(path, model, data=DATA, draws=90, progress=False)
    whole = pg.infer(model, method, data=DATA, draws=90, **SIZE)
    for group in ("posterior", "sample_stats"):
        for name, values in whole[group].data_vars.items():
            assert np.array_equal(values, more[group][name]), name


def test_another_machine_data_or_method_is_refused(tmp_path):
    path = tmp_path / "run.zarr"
    pg.infer(restricted(5, 3), pg.Gibbs(), data=DATA, draws=20, store=path, **SIZE)
    changed = restricted(5, 3)
    with torch.no_grad():
        changed.weights[0][0, 0] += 1e-3
    more = {"draws": 30, "progress": False}
    with pytest.raises(ModelError, match=r"weights\.0 has changed"):
        pg.resume(path, changed, **more)
    with pytest.raises(ModelError, match="layers"):
        pg.resume(path, machine("binary"), **more)
    with pytest.raises(DataError, match="'x'"):
        pg.resume(path, data={"x": [0, np.nan, 0, np.nan, np.nan]}, **more)
    with pytest.raises(OptionError, match="another method"):
        pg.resume(path, method=pg.Gibbs(thin=3), **more)


@pytest.mark.parametrize("method", METHODS[:2], ids=lambda method: method.name)
def test_ctrl_c_hands_back_the_draws_so_far(method):
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    found = pg.infer(restricted(5, 3), method, draws=100_000, **SIZE)
    timer.join()
    assert found.attrs["interrupted"]
    assert 0 < found["posterior"].sizes["draw"] < 100_000
    assert found["marginals"]["probability"].notnull().all()


def test_a_run_in_the_background_is_looked_at_and_stopped(tmp_path):
    handle = pg.infer(
        restricted(5, 3), pg.Gibbs(), draws=100_000, store=tmp_path / "run.zarr",
        background=True, **SIZE,
    )  # fmt: skip
    assert not handle.wait(0.5)
    assert handle.progress.done > 0
    stopped = handle.stop()
    assert 0 < stopped["posterior"].sizes["draw"] < 100_000


def test_cases_and_labels_are_stored(tmp_path):
    data, path = {"x": np.array([[1, np.nan, 0, 1, 1], [np.nan] * 5])}, tmp_path / "run.zarr"
    named = {"dims": {"x": ["pixel"]}, "coords": {"pixel": list("abcde")}}
    options = {"data": data, **named, **SIZE}
    pg.infer(restricted(5, 3), pg.Gibbs(), draws=20, store=path, **options)
    found = pg.resume(path, draws=40, progress=False)
    assert found["posterior"]["x"].dims == ("chain", "draw", "case", "pixel")
    whole = pg.infer(restricted(5, 3), pg.Gibbs(), draws=40, **options)
    assert np.array_equal(whole["posterior"]["x"], found["posterior"]["x"])
