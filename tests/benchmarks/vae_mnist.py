"""A VAE or IWAE on binarised MNIST, from scratch, judged by its likelihood.

    python -m tests.benchmarks.vae_mnist --data FILE --minutes 60 --store vae.fit
    python -m tests.benchmarks.vae_mnist --data FILE --minutes 60 --store iwae.fit --particles 50

FILE is an .npz with the arrays train, valid and test of the fixed binarised MNIST (Salakhutdinov
& Murray 2008), 784 pixels a row, packed bits or 0/1. Killed or stopped, the same command goes on
from the store. One layer of 50 latents and two hidden layers of 200, as in Burda, Grosse &
Salakhutdinov (2016), who publish, by IW-5000 with pixels binarised anew in every epoch, -86.76
(VAE), -86.35 (VAE with 50 particles) and -84.78 (IWAE with 50); fixed pixels, which are learned by
heart sooner, cost about 2 nats.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from torch import nn

import probgen as pg
from probgen.learn.training.schedules import Cosine
from probgen.learn.variational.objectives import ELBO, RenyiELBO
from probgen.models.vae import VAE
from probgen.nets.dense import mlp
from tests.benchmarks.boltzmann_mnist import PIXELS, read

MONITORED = 1000  # validation cases looked at after every epoch
PUBLISHED = {("elbo", 1): -86.76, ("elbo", 50): -86.35, ("iwae", 5): -85.54, ("iwae", 50): -84.78}


def main() -> None:
    """Train for so many minutes, or go on; then estimate the test likelihood."""
    given = _arguments()
    if given.threads:
        torch.set_num_threads(given.threads)
    train, valid, test = (read(given.data, part) for part in ("train", "valid", "test"))
    data, held_out = {"x": train}, {"x": valid[:MONITORED]}
    torch.manual_seed(given.seed)
    model = network(given.latents)
    if given.store.exists():
        fit = pg.resume(given.store, model, data=data, validation=held_out)
    else:
        fit = pg.fit(
            model, method_of(given), data=data, validation=held_out,
            epochs=given.epochs or epochs_in(given, model, data), batch_size=given.batch,
            store=given.store, patience=given.patience, seed=given.seed, device=given.device,
        )  # fmt: skip
    print(fit.summary)
    kind = "elbo" if given.particles == 1 else "iwae"
    some = {"x": test[torch.arange(given.cases) * len(test) // given.cases]}
    for draws in (1, 50, given.draws):
        start = time.perf_counter()
        found = pg.log_likelihood(fit.model, some, pg.ImportanceWeighted(draws=draws), seed=1)
        seconds = time.perf_counter() - start
        print(
            f"IW-{draws}: {found.mean:.2f} +- {found.spread:.2f} over {given.cases} test cases, "
            f"Monte Carlo error {found.error:.3f}, {seconds:.1f} s"
        )
    published = PUBLISHED.get((kind, given.particles))
    print(f"published for {kind}, {given.particles} particles, dynamic binarisation: {published}")


def network(latents: int) -> VAE:
    """The architecture of the paper."""
    return VAE(
        PIXELS, latents,
        encoder=mlp(PIXELS, 2 * latents, (200, 200), nn.Tanh),
        decoder=mlp(latents, PIXELS, (200, 200), nn.Tanh),
    )  # fmt: skip


def method_of(given: argparse.Namespace) -> pg.SVI:
    """The ELBO, or the importance weighted bound with several draws."""
    k = given.particles
    objective = ELBO() if k == 1 else RenyiELBO(alpha=0.0, particles=k)
    return pg.SVI(objective=objective, learning_rate=Cosine(given.rate, 1e-4))


def epochs_in(given: argparse.Namespace, model: VAE, data: dict[str, torch.Tensor]) -> int:
    """How many epochs fill the time, by the speed of some steps."""
    part = {"x": data["x"][: 100 * given.batch]}
    options = {"batch_size": given.batch, "progress": False, "device": given.device}
    pg.fit(model, method_of(given), data=part, epochs=1, **options)
    start = time.perf_counter()
    pg.fit(model, method_of(given), data=part, epochs=2, **options)
    seconds = (time.perf_counter() - start) / 200
    epochs = max(1, math.floor(60 * given.minutes / (seconds * len(data["x"]) / given.batch)))
    print(f"{seconds * 1e3:.2f} ms a step, {epochs} epochs")
    return epochs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--patience", type=int, default=None)
    parser.add_argument("--store", type=Path, default=Path("vae.fit"))
    parser.add_argument("--particles", type=int, default=1)
    parser.add_argument("--latents", type=int, default=50)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default=None)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
