"""A DCGAN or a conditional DCGAN on MNIST, judged in the features of a digit classifier.

    python -m tests.benchmarks.gan_mnist --data mnist.npz --minutes 20 --store dcgan.fit
    python -m tests.benchmarks.gan_mnist --data mnist.npz --kind conditional --store labels.fit

FILE is an .npz with x_train, y_train, x_test, y_test: 28x28 bytes and labels. Killed or stopped,
the same command goes on from the store. The recipe of Radford, Metz and Chintala (2016) with half
its channels, normal latents, a learning rate that falls to 0, averaged weights, and R1 in every
fourth step (Mescheder, Geiger & Nowozin 2018); the label goes beside the latents, and into the
critic as a projection (Miyato & Koyama 2018).

Judged on as many draws as test digits: FID and its limit of infinitely many rows, KID, precision
and recall, density and coverage, in the features of a classifier that was trained on 50,000
training digits. The row "real" holds the 10,000 other training digits against the test digits: no
generator can be expected to do better. Of the conditional one also how many draws the classifier
calls what they were to be, with labels shuffled as a control. Of the DCGAN also how well a linear
classifier of few labels does on its critic's last hidden layer, against those of four untrained
critics. Draws are in STORE.png.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

from tests.benchmarks import clock

if __name__ == "__main__":  # before the numerical libraries are loaded
    os.environ.update(clock.one_thread_environment())

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import probgen as pg
from probgen.declare.environment import isolated
from probgen.learn.draws import evaluating
from probgen.learn.images import as_images, image_grid, png
from probgen.learn.training.schedules import Cosine
from probgen.learn.variational.run import Collect
from probgen.models.gan import DCGAN, ConditionalGAN
from probgen.nets.conditioning import Concat
from probgen.nets.dcgan import DCGANCritic, DCGANGenerator
from tests.benchmarks import harness
from tests.benchmarks.table import markdown

SIZE, CLASSES, APART = 28, 10, 10_000
METRICS = ("fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage")


def main() -> None:
    """Train for so many minutes, or go on; then judge."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    x, y = read(given.data, "train")
    x, y = x[: given.rows], y[: given.rows]
    data = {"x": x, "y": y} if given.kind == "conditional" else {"x": x}
    torch.manual_seed(given.seed)
    model = program(given)
    if given.store.exists():
        fit = pg.resume(given.store, model, data=data)
    else:
        fit = pg.fit(
            model, method_of(given), data=data, epochs=epochs_in(given, model, data),
            batch_size=given.batch, store=given.store, seed=given.seed, ema=given.ema,
            threads=given.threads, device=given.device,
        )  # fmt: skip
    print(fit.summary)
    judge(given, (fit.average or fit.model).cpu())
    if given.kind == "dcgan":
        probe(given, fit.model.cpu())


def program(given: argparse.Namespace) -> torch.nn.Module:
    """The program with its critic."""
    latents, width = given.latents, given.width
    if given.kind == "dcgan":
        return DCGAN(SIZE, latents=latents, width=width)
    generator = Concat(DCGANGenerator(latents + CLASSES, SIZE, 1, width), CLASSES)
    critic = DCGANCritic(SIZE, 1, width, CLASSES)
    return ConditionalGAN(classes=CLASSES, latents=latents, generator=generator, critic=critic)


def method_of(given: argparse.Namespace) -> pg.Adversarial:
    """The game."""
    sites = ("x", "y") if given.kind == "conditional" else None
    penalties = (pg.penalties.R1(given.r1, every=4),) if given.r1 else ()
    return pg.Adversarial(
        sites=sites, penalties=penalties, learning_rate=Cosine(given.rate), betas=(0.5, 0.999)
    )


def read(file: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images (row, 1, 28, 28) from -1 to 1, and labels (row,)."""
    kept = np.load(file, allow_pickle=False)
    images = torch.from_numpy(kept[f"x_{part}"]).reshape(-1, 1, SIZE, SIZE)
    return images.float() / 127.5 - 1, torch.from_numpy(kept[f"y_{part}"]).long()


def epochs_in(given: argparse.Namespace, model: torch.nn.Module, data: dict[str, Tensor]) -> int:
    """How many epochs fill the time, by the speed of some steps."""
    part = {name: values[: 20 * given.batch] for name, values in data.items()}
    options = {"batch_size": given.batch, "progress": False, "ema": given.ema}
    options |= {"threads": given.threads, "device": given.device}
    pg.fit(model, method_of(given), data=part, epochs=1, **options)
    start = time.perf_counter()
    pg.fit(model, method_of(given), data=part, epochs=2, **options)
    seconds = (time.perf_counter() - start) / 40
    steps = len(data["x"]) / given.batch
    epochs = max(1, math.floor(60 * given.minutes / (seconds * steps)))
    print(f"{seconds * 1e3:.1f} ms a step, {epochs} epochs")
    return epochs


def judge(given: argparse.Namespace, model: torch.nn.Module) -> None:
    """Print the table, and draw the picture."""
    train, labels = read(given.data, "train")
    test, truth = read(given.data, "test")
    spread = torch.arange(given.judged) * len(test) // given.judged  # its halves differ
    test, truth = test[spread], truth[spread]
    apart, others = train[:APART][spread], slice(APART, None)
    digits = pg.metrics.classifier(train[others], labels[others], name="MNIST classifier")
    print(f"classifier: {digits.accuracy:.2%} of held-out digits\n")
    fake = drawn(model, given.kind, truth, seed=0)
    rows = []
    for name, images in (("real", apart), (given.kind, fake)):
        found = pg.metrics.quality(test, images, digits, metrics=METRICS)
        scores = [found[metric] for metric in METRICS]
        rows.append([name, *(f"{s.value:.4g} ± {s.error or 0:.1g}" for s in scores)])
    print(f"{harness.processor()}; {len(test)} digits of each side\n")
    print(markdown(["draws", *METRICS], rows))
    if given.kind == "conditional":
        said = torch.as_tensor(digits.logits(fake)).argmax(1)
        shuffled = truth[torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))]
        print(f"\nagreement with labels {(said == truth).float().mean():.2%}, "
              f"shuffled {(said == shuffled).float().mean():.2%}")  # fmt: skip
    shown = drawn(model, given.kind, torch.arange(100) % CLASSES, seed=1)
    grid = image_grid(as_images(shown.numpy(), (1, SIZE, SIZE)), -1.0, 1.0, across=10)
    picture = given.store.with_suffix(".png")
    picture.write_bytes(png(grid))
    print(f"draws: {picture}")


def probe(given: argparse.Namespace, model: torch.nn.Module) -> None:
    """Print the test accuracy of a linear classifier on features of critics."""
    train, labels = read(given.data, "train")
    test, truth = read(given.data, "test")
    critics = {"trained": [model], "untrained": []}
    for seed in range(1, 5):  # untrained critics differ by some points among each other
        torch.manual_seed(seed)
        critics["untrained"].append(program(given))
    held_out = {name: [features(m, test) for m in modules] for name, modules in critics.items()}
    rows = []
    for count in (100, 300, 1000):
        found: dict[str, list[float]] = {name: [] for name in critics}
        for seed in range(3):
            chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
            chosen = chosen[:count]
            for name, modules in critics.items():
                for module, seen in zip(modules, held_out[name], strict=True):
                    linear = LogisticRegression(C=0.1, max_iter=300)
                    probed = make_pipeline(StandardScaler(), linear)
                    probed.fit(features(module, train[chosen]), labels[chosen])
                    found[name].append(100 * probed.score(seen, truth))
        rows.append([str(count), *(f"{np.mean(v):.1f} ± {np.std(v):.1f}" for v in found.values())])
    print("\nlinear classifier on the critic's features, % of test digits right\n")
    print(markdown(["labels", *critics], rows))


def features(model: torch.nn.Module, images: Tensor) -> np.ndarray:
    """What the critic's last hidden layer holds, (row, feature)."""
    with evaluating(model):
        parts = [model.critic.features(part).flatten(1) for part in images.split(500)]
    return torch.cat(parts).numpy()


def drawn(model: torch.nn.Module, kind: str, labels: Tensor, seed: int) -> Tensor:
    """Draws of "x", a row for each label, which the conditional program is given."""
    found = []
    with evaluating(model), isolated(seed):
        for part in labels.split(500):
            images = torch.zeros(len(part), 1, SIZE, SIZE)
            data = {"y": part} if kind == "conditional" else {"x": images}
            with Collect(simulate=kind == "dcgan") as run:
                model(**data)
            found.append(run.sites["x"]["value"])
    return torch.cat(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--kind", choices=["dcgan", "conditional"], default="dcgan")
    parser.add_argument("--store", type=Path, default=Path("gan.fit"))
    parser.add_argument("--rows", type=int, default=60_000, help="to train on")
    parser.add_argument("--judged", type=int, default=10_000)
    parser.add_argument("--latents", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--r1", type=float, default=1.0, help="weight of the penalty; 0: none")
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default=None)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
