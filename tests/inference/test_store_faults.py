"""What can go wrong around a stored run: kills, full disks, permissions, Ctrl-C, two writers."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from probgen.api import infer, resume
from probgen.errors import OptionError, StoreError
from probgen.inference import recorder
from probgen.inference.interrupts import held_back
from probgen.inference.program_run import ProgramRun
from probgen.results.store.reading import open_store
from tests.inference.killed import ZOO, arguments
from tests.inference.test_resume import COMMON, WALK, equal
from tests.inference.walking import Walk

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("method", "kills"),
    [
        ("walk", 5),
        pytest.param("walk", 50, marks=pytest.mark.slow),
        pytest.param("nuts", 50, marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(tmp_path, method, kills):
    store = tmp_path / "s.zarr"
    command = [sys.executable, "-W", "ignore", "-m", "tests.inference.killed"]
    command += [str(store), str(kills), method]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 0.6 * kills
    value, options = arguments(method)
    equal(infer(ZOO.program, value, **options), open_store(store))


def _is_mountable(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(folder: Path):
    """A place for one megabyte: a file system of its own, or a limit on the size of files."""
    folder.mkdir()
    if _is_mountable(folder):
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_leaves_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "EVERY", 0.0)
    many = {**COMMON, "draws": 1500, "chains": 2}
    disk = tmp_path / "disk"
    method = Walk(piece=50)
    with small_disk(disk):
        store = disk / "s.zarr"
        with pytest.raises(StoreError, match="could not be written") as raised:
            infer(ZOO.program, method, store=store, **many)
        assert raised.value.__cause__.errno in (errno.ENOSPC, errno.EFBIG)
        tree = open_store(store).load()
        drawn = tree["posterior"].sizes["draw"]
        assert 0 < drawn < 1500
        (tmp_path / "moved").mkdir()
        subprocess.run(
            ["cp", "-r", "--sparse=always", str(store), str(tmp_path / "moved")], check=True
        )
    expected = infer(ZOO.program, method, **many)
    mu = expected["posterior"]["mu"].to_numpy()
    np.testing.assert_array_equal(tree["posterior"]["mu"], mu[:, :drawn])
    # There is room where it was moved to.
    equal(expected, resume(tmp_path / "moved" / "s.zarr", method=method, progress=False))


def test_a_place_where_nothing_may_be_written(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)  # the administrator may write anywhere
    try:
        with pytest.raises(StoreError, match="permission"):
            infer(ZOO.program, WALK, store=folder / "s.zarr", **COMMON)
    finally:
        os.seteuid(was)


def test_two_runs_on_one_store(tmp_path):
    seen = []

    class Nosy(Walk):
        def run(self, density, plan):
            with pytest.raises(
                StoreError, match=f"a run of this process .pid {os.getpid()}"
            ) as raised:
                resume(tmp_path / "s.zarr", method=self)
            seen.append(raised.value)
            with pytest.raises(StoreError, match="this process"):
                infer(ZOO.program, WALK, store=tmp_path / "s.zarr", overwrite=True, **COMMON)
            return super().run(density, plan)

    infer(ZOO.program, Nosy(), store=tmp_path / "s.zarr", **COMMON)
    assert seen


class Interrupting(Walk):
    """Presses Ctrl-C in the middle of writing a piece."""

    at = 50

    def run(self, density, plan):
        keep = plan.keep

        def pressed(piece) -> None:
            if piece.state.iteration >= self.at:
                signal.raise_signal(signal.SIGINT)
            keep(piece)

        def kept(piece) -> None:
            with held_back():
                pressed(piece)

        object.__setattr__(plan, "keep", kept)
        return super().run(density, plan)


def test_ctrl_c_returns_the_draws_so_far_and_the_run_goes_on(tmp_path):
    tree = infer(ZOO.program, Interrupting(), store=tmp_path / "s.zarr", **COMMON)
    drawn = tree["posterior"].sizes["draw"]
    assert 0 < drawn < COMMON["draws"]
    assert tree.attrs["interrupted"] == 1
    whole = infer(ZOO.program, WALK, **COMMON)
    np.testing.assert_array_equal(tree["posterior"]["mu"], whole["posterior"]["mu"][:, :drawn])
    equal(whole, resume(tmp_path / "s.zarr", method=WALK, progress=False))


def test_ctrl_c_in_warm_up_goes_on_too(tmp_path):
    early = Interrupting()
    object.__setattr__(early, "at", 7)
    with pytest.raises(KeyboardInterrupt):
        infer(ZOO.program, early, store=tmp_path / "s.zarr", **COMMON)
    assert not open_store(tmp_path / "s.zarr").children
    whole = infer(ZOO.program, WALK, **COMMON)
    equal(whole, resume(tmp_path / "s.zarr", method=WALK, progress=False))


def test_ctrl_c_is_held_back_and_then_delivered():
    reached = []

    def press() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            reached.append(1)

    with pytest.raises(KeyboardInterrupt):
        press()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_holding_back_does_nothing_on_other_threads():
    def work() -> None:
        with held_back():
            done.append(signal.getsignal(signal.SIGINT))

    done: list = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]


def test_a_model_that_fails_leaves_its_draws(tmp_path, monkeypatch):
    class Failing(Walk):
        def run(self, density, plan):
            progress = plan.progress

            def fail(seen) -> None:
                progress(seen)
                if seen.iterations[0] == 61:
                    raise FloatingPointError("overflow")

            object.__setattr__(plan, "progress", fail)
            return super().run(density, plan)

    with pytest.raises(FloatingPointError) as raised:
        infer(ZOO.program, Failing(), store=tmp_path / "s.zarr", **COMMON)
    assert "holds the 36 draws of each chain" in raised.value.__notes__[0]
    assert open_store(tmp_path / "s.zarr")["posterior"].sizes["draw"] == 36
    whole = infer(ZOO.program, WALK, **COMMON)
    equal(whole, resume(tmp_path / "s.zarr", method=WALK, progress=False))


def test_outputs_that_fail_leave_the_draws_before_them(tmp_path, monkeypatch):
    """Within a piece too: some of it may be stored, and the state is that before it."""
    monkeypatch.setattr(recorder, "EVERY", 0.0)
    monkeypatch.setattr(recorder, "_BLOCK_BYTES", 10_000)
    values_of, calls = ProgramRun.values_of, []

    def broken(self, piece):
        calls.append(piece.first)
        if len(calls) == 8:
            raise FloatingPointError("overflow")
        return values_of(self, piece)

    with monkeypatch.context() as patch:
        patch.setattr(ProgramRun, "values_of", broken)
        with pytest.raises(FloatingPointError, match="overflow"):
            infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    whole = infer(ZOO.program, WALK, **COMMON)
    tree = open_store(tmp_path / "s.zarr").load()
    drawn = tree["posterior"].sizes["draw"]
    assert 0 < drawn < COMMON["draws"]
    np.testing.assert_array_equal(tree["posterior"]["mu"], whole["posterior"]["mu"][:, :drawn])
    equal(whole, resume(tmp_path / "s.zarr", method=WALK, progress=False))


def test_a_flipped_bit_stops_a_resume(tmp_path):
    infer(ZOO.program, WALK, store=tmp_path / "s.zarr", **COMMON)
    chunk = tmp_path / "s.zarr/posterior/mu/c/0/0"
    content = bytearray(chunk.read_bytes())
    content[17] ^= 1
    chunk.write_bytes(content)
    for draws in (None, 70):
        with pytest.raises(StoreError, match="posterior/mu is damaged"):
            resume(tmp_path / "s.zarr", method=WALK, draws=draws, progress=False)


def test_a_state_that_takes_long_to_write_is_written_seldom(tmp_path, monkeypatch):
    commits = []
    commit = recorder.Store.commit

    def slow(self, *given) -> None:
        commits.append(time.monotonic())
        commit(self, *given)
        time.sleep(0.1)

    monkeypatch.setattr(recorder, "EVERY", 0.01)
    monkeypatch.setattr(recorder.Store, "commit", slow)
    infer(ZOO.program, Walk(nap=0.002), store=tmp_path / "s.zarr", **{**COMMON, "draws": 200})
    assert len(commits) <= 2 + (commits[-1] - commits[0]) / (0.01 * 50 * 0.1 / 0.5)
    assert len(commits) >= 2


def test_what_is_no_path_is_told():
    with pytest.raises(OptionError, match="store=3"):
        infer(ZOO.program, WALK, store=3, **COMMON)


def test_paths_may_have_any_name(tmp_path):
    store = tmp_path / "a b" / "ü ∂" / "run ✓.zarr"
    tree = infer(ZOO.program, WALK, store=store, **COMMON)
    equal(tree, resume(str(store), method=WALK))
