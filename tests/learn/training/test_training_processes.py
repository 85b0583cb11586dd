"""Trainings that are killed, and trainings of two processes, compared with undisturbed ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import probgen as pg
from tests.learn.training import children
from tests.learn.training.bits import all_bits, assert_same_bits
from tests.learn.training.children import METHOD, OPTIONS, PLAIN, TOGETHER, X
from tests.learn.training.toys import Game, Gaussian, Running

HERE = Path(__file__).parents[3]
KILLS = 3


def run_children(folder: Path, kills: int) -> int:
    command = [sys.executable, "-m", children.__name__, str(folder), str(kills)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("children")
    assert run_children(made, KILLS) == KILLS
    return made


def loaded(folder: Path, name: str):
    kind = Running if name.startswith(("noise", "stopped", "resumed")) else Gaussian
    size = 1 if name.startswith("game") else 2
    return pg.load_fit(folder / f"{name}.safetensors", kind(size))


def alone(method=METHOD, **options):
    return pg.fit(Gaussian(), method, data=X, **options)


def test_killed_trainings_go_on_to_the_same_bits(folder):
    assert_same_bits(loaded(folder, "killed"), alone(**OPTIONS))


@pytest.mark.slow
def test_trainings_killed_very_often(tmp_path):
    assert run_children(tmp_path, 60) == 60
    assert_same_bits(loaded(tmp_path, "killed"), alone(**OPTIONS))


@pytest.mark.parametrize("name", ["plain", "noise", "stopped", "resumed", "game"])
def test_parameters_of_processes_stay_equal(folder, name):
    assert_same_bits(loaded(folder, f"{name}-0"), loaded(folder, f"{name}-1"))


def test_two_processes_learn_what_one_does(folder):
    """Of the same global batches; one of them is short, and shared unequally."""
    one, two = all_bits(alone(PLAIN, **TOGETHER)), all_bits(loaded(folder, "plain-0"))
    for name in one.keys() - {"loss", "noise"}:  # metrics are means over processes
        np.testing.assert_allclose(two[name], one[name], rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=2e-2)


def test_processes_have_random_numbers_of_their_own(folder):
    one = alone(METHOD, **TOGETHER).tree["history"]["noise"].values
    assert not np.allclose(one, loaded(folder, "noise-0").tree["history"]["noise"].values)


def test_processes_stop_together_and_go_on_to_the_same_bits(folder):
    stopped = loaded(folder, "stopped-0")
    assert stopped.summary["interrupted"]
    assert stopped.summary["steps"] == loaded(folder, "stopped-1").summary["steps"] == 20
    assert_same_bits(loaded(folder, "resumed-0"), loaded(folder, "noise-0"))


def test_a_game_of_two_processes(folder):
    game = loaded(folder, "game-0")
    one = pg.fit(Gaussian(1), Game(), data=X[:, :1], epochs=5, seed=1, progress=False)
    assert game.model.mean.item() == pytest.approx(one.model.mean.item(), abs=0.1)


def test_a_store_of_two_processes_is_not_gone_on_with_by_one(folder):
    with pytest.raises(pg.StoreError, match="written by 2 processes, and there are 1"):
        pg.resume(folder / "together", Running(), data=X, method=METHOD)


SCRIPT = """
import sys
from pathlib import Path
import probgen as pg
from tests.learn.training.children import PLAIN, TOGETHER, X
from tests.learn.training.toys import Gaussian

fit = pg.fit(Gaussian(), PLAIN, data=X, **TOGETHER, **eval(sys.argv[2]))
rank = fit.tree.attrs["processes"] - 1 and __import__("torch").distributed.get_rank()
fit.save(Path(sys.argv[1]) / f"{rank}.safetensors")
"""
LAUNCHERS = {
    "python": (["python"], "{'devices': 2}", 2),
    "torchrun": (["torchrun", "--nproc_per_node=2"], "{}", 2),
    "torchrun, one process": (["torchrun", "--nproc_per_node=1"], "{}", 1),
    "fabric run": (["fabric", "run", "--devices=2", "--accelerator=cpu"], "{}", 2),
    "fabric run, precision": (["fabric", "run", "--devices=2", "--precision=32"], "{}", 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_one_script_runs_by_every_launcher(launcher, tmp_path):
    command, options, world = LAUNCHERS[launcher]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    program = Path(sys.executable).parent / command[0]
    words = [str(program), *command[1:], str(script), str(tmp_path), options]
    environment = {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    fits = [loaded(tmp_path, str(rank)) for rank in range(world)]
    for fit in fits:
        assert_same_bits(fit, fits[0])
    one = all_bits(alone(PLAIN, **TOGETHER))
    np.testing.assert_allclose(all_bits(fits[0])["mean"], one["mean"], rtol=2e-5)
    assert shutil.which(str(program))
