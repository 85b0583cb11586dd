"""Trainings in forked processes: `python -m tests.learn.training.children FOLDER KILLS`.

One process imports everything, then forks. First a stored training is killed by SIGKILL after
random times until it was killed KILLS times, and goes on each time; the last attempt finishes.
Then two processes train together, as under torchrun. Results are saved in FOLDER for the tests
to compare. Single-threaded up to the forks.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import probgen as pg
from probgen.learn.training.schedules import Cosine
from tests.learn.training.toys import Game, Gaussian, LikelihoodMethod, Running, normal_data

X = normal_data(497)  # no multiple of the batch, nor of two
METHOD = LikelihoodMethod(Cosine(0.1), noise=True)
PLAIN = LikelihoodMethod(Cosine(0.1))
OPTIONS = {
    "epochs": 15,
    "validation": 0.1,
    "patience": 14,
    "ema": 0.9,
    "clip": 1.0,
    "seed": 4,
    "checkpoint_steps": 3,
    "progress": False,
}
TOGETHER = {**OPTIONS, "epochs": 4, "checkpoint_steps": None}
LONGEST = 0.3  # seconds until a kill


def attempt(store: Path, out: Path) -> None:
    """Begin the training, or go on with it."""
    if (store / "latest.json").is_file():
        fit = pg.resume(store, Gaussian(), data=X, method=METHOD, progress=False)
    else:
        fit = pg.fit(Gaussian(), METHOD, data=X, store=store, overwrite=True, **OPTIONS)
    fit.save(out)


def forked(work: Callable[[], None]) -> int:
    """A child that does the work and ends; its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


def kill_often(folder: Path, kills: int) -> int:
    """Kill attempts; returns how many were killed before they were done."""
    draw, killed = random.Random(0), 0
    for _ in range(1000):
        child = forked(lambda: attempt(folder / "killed", folder / "killed.safetensors"))
        if killed < kills:
            time.sleep(draw.uniform(0.0, LONGEST))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.WEXITSTATUS(status):
            raise SystemExit("an attempt failed")
        else:
            break
    return killed


class PressedOnce(LikelihoodMethod):
    """Ctrl-C comes to one of the processes only."""

    def learner(self, model, info, options):
        learner = super().learner(model, info, options)
        step = learner.step

        def pressed(batch, loop):
            if loop.clock == 11 and loop.rank == 1:
                os.kill(os.getpid(), signal.SIGINT)
            return step(batch, loop)

        learner.step = pressed
        return learner


def train_together(folder: Path, rank: int) -> None:
    """What each of two processes does."""

    def kept(name: str, fit) -> None:
        fit.save(folder / f"{name}-{rank}.safetensors")

    kept("plain", pg.fit(Gaussian(), PLAIN, data=X, **TOGETHER))
    kept("noise", pg.fit(Running(), METHOD, data=X, **TOGETHER))
    pressed = PressedOnce(METHOD.learning_rate, noise=True)
    stopped = pg.fit(Running(), pressed, data=X, store=folder / "together", **TOGETHER)
    kept("stopped", stopped)
    going_on = pg.resume(folder / "together", Running(), data=X, method=METHOD, progress=False)
    kept("resumed", going_on)
    game = {"epochs": 5, "seed": 1, "progress": False}
    kept("game", pg.fit(Gaussian(1), Game(), data=X[:, :1], **game))


def two_processes(folder: Path, train: Callable[[Path, int], None] = train_together) -> None:
    """Fork two, with the variables that torchrun sets; each trains as it is told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(
        TORCHELASTIC_RUN_ID="test",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
        LOCAL_WORLD_SIZE="2",
        GROUP_RANK="0",
    )

    def ranked(rank: int) -> Callable[[], None]:
        def work() -> None:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
            train(folder, rank)

        return work

    children = [forked(ranked(rank)) for rank in range(2)]
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit("a process failed")


def main(folder: Path, kills: int) -> None:
    """Both; prints how many kills there were."""
    torch.set_num_threads(1)
    print(kill_often(folder, kills), flush=True)
    two_processes(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
