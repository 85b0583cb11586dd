"""Two processes that train a VAE and a global site together: `python -m ... FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import probgen as pg
from probgen.inference.variational.svi import SVI
from tests.learn.training.children import two_processes
from tests.learn.variational.programs import VAE, Regression, binary_data, line_data

X = binary_data(203)  # no multiple of the batch, nor of two
LINE = {name: value.float() for name, value in line_data(101).items()}
METHOD = SVI(learning_rate=5e-3)
OPTIONS = {"epochs": 3, "batch_size": 50, "seed": 3, "ema": 0.9, "progress": False}


def train(folder: Path, rank: int) -> None:
    """What each of two processes does."""
    torch.manual_seed(0)
    pg.fit(VAE(), METHOD, data=X, **OPTIONS).save(folder / f"vae-{rank}.safetensors")
    pg.fit(Regression(), METHOD, data=LINE, **OPTIONS).save(folder / f"line-{rank}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    two_processes(Path(sys.argv[1]), train)
