"""Trainings in forked processes: `python -m tests.learn.adversarial.children FOLDER`.

A stored training is killed by SIGKILL at random times, and goes on each time. Then two processes
train together. Results are saved in FOLDER for the tests to compare.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import probgen as pg
from tests.learn.adversarial.programs import Pictures, Points, made, normal_points
from tests.learn.training.children import forked, two_processes

P, A = pg.penalties, pg.augmentations
PICTURES = torch.rand(90, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
BUSY = pg.Adversarial(
    penalties=(P.R1(0.5, every=3), P.LeCam(), P.Orthogonal()),
    schedule=pg.Alternate(critic=2),
    augment=(
        A.ADA("translation", "cutout", ramp=500),
        A.InstanceNoise(pg.schedules.Linear(0.1, 0)),
    ),
    learning_rate=pg.schedules.Cosine(2e-3),
)
"""With everything that must be kept between steps."""
OPTIONS = {
    "epochs": 6,
    "batch_size": 20,
    "ema": 0.9,
    "seed": 4,
    "validation": 0.2,
    "checkpoint_steps": 3,
    "threads": 1,  # gradients of convolutions are other bits with another number
    "watch": False,
    "progress": False,
}
X = normal_points(101)  # no multiple of the batch, nor of two
U = torch.randn(101, 4, generator=torch.Generator().manual_seed(1))
GIVEN = pg.Adversarial(penalties=(P.R1(2.0), P.R2(1.0)), learning_rate=1e-3)
TOGETHER = {
    "epochs": 3,
    "batch_size": 20,
    "seed": 3,
    "ema": 0.9,
    "threads": 1,
    "watch": False,
    "progress": False,
}
KILLS = 3
LONGEST = 0.5  # seconds until a kill


class Given(Points):
    """Points from noise that comes with the rows, so that nothing is drawn."""

    def forward(self, x=None, u=None):
        import pyro

        u = self.zero[None] if u is None else u
        with pyro.plate("case", len(u)):
            return pyro.sample("x", pg.Implicit(self.generator(u)), obs=x)


def attempt(folder: Path) -> None:
    """Begin the training, or go on with it."""
    store, model = folder / "killed", made(Pictures)
    if (store / "latest.json").is_file():
        fit = pg.resume(store, model, data={"x": PICTURES}, progress=False)
    else:
        fit = pg.fit(model, BUSY, data={"x": PICTURES}, store=store, overwrite=True, **OPTIONS)
    fit.save(folder / "killed.safetensors")


def kill_often(folder: Path) -> int:
    """Kill attempts; returns how many were killed before they were done."""
    draw, killed = random.Random(0), 0
    while True:
        child = forked(lambda: attempt(folder))
        if killed < KILLS:
            time.sleep(draw.uniform(0.0, LONGEST))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.WEXITSTATUS(status):
            raise SystemExit("an attempt failed")
        else:
            return killed


def train(folder: Path, rank: int) -> None:
    """What each of two processes does."""
    given = pg.fit(made(Given), GIVEN, data={"x": X, "u": U}, **TOGETHER)
    given.save(folder / f"given-{rank}.safetensors")
    seen = {**TOGETHER, "watch": pg.Watch(every=1), "store": folder / "watched"}
    watched = pg.fit(made(Given), GIVEN, data={"x": X, "u": U}, **seen)
    watched.save(folder / f"watched-{rank}.safetensors")
    busy = pg.fit(made(Pictures), BUSY, data={"x": PICTURES}, **{**OPTIONS, "epochs": 2})
    busy.save(folder / f"busy-{rank}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(kill_often(Path(sys.argv[1])))
    two_processes(Path(sys.argv[1]), train)
