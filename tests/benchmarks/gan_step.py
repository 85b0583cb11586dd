"""A training step of a GAN through `fit` against loops without it, on one core.

    python -m tests.benchmarks.gan_step [--rounds 5] [--sizes 2 8 28 32] [--batch 64]

Size 2 is points in the plane and the smallest networks of the zoo, where the layers above torch
weigh most: three hidden layers of 128 (`probgen.models.gan.GAN`). The others are images and the
DCGAN recipe. All train the same networks (`probgen.nets`) on the same rows with Adam at 2e-4,
betas (0.5, 0.999) (Radford, Metz & Chintala 2016). The bare loop has softplus losses of logits,
one draw of the generator for both players, and no gradient of the critic's weights in the
generator's turn; it is taken with torch's Adam as it comes, and fused. The textbook loop is as
tutorials have it: a DataLoader, the generator first, a sigmoid and BCELoss, targets made in every
step, gradients of all by `backward`. Tools take turns in one process and the best round counts, in
CPU time; of each the difference between runs of one and of two epochs is taken, so that setting up
does not count. Data are noise.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from tests.benchmarks import clock

if __name__ == "__main__":  # before the numerical libraries are loaded
    os.environ.update(clock.one_thread_environment())
    clock.pin_to(sorted(os.sched_getaffinity(0))[-1])

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import probgen as pg
from probgen.models.gan import DCGAN, GAN
from tests.benchmarks import harness
from tests.benchmarks.table import markdown

RATE, BETAS, LATENTS = 2e-4, (0.5, 0.999), 100
FIT, BARE, FUSED, TEXTBOOK = "probgen fit", "bare loop", "bare loop, fused Adam", "textbook loop"


def main() -> None:
    """Measure in turns, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 8, 28, 32])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one run, about")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for size in given.sizes:
        steps = _steps(size, given)
        random = torch.Generator().manual_seed(0)
        x = torch.rand(steps * given.batch, *_shape(size), generator=random) * 2 - 1
        tools: dict[str, Callable[[int], None]] = {
            FIT: lambda epochs, x=x: through_fit(x, given, epochs),
            BARE: lambda epochs, x=x: bare(x, given, epochs, False),
            FUSED: lambda epochs, x=x: bare(x, given, epochs, True),
            TEXTBOOK: lambda epochs, x=x: textbook(x, given, epochs),
        }
        best = dict.fromkeys(tools, float("inf"))
        for number in range(given.rounds + 1):
            for name, tool in tools.items():
                seconds = (_seconds(tool, 2) - _seconds(tool, 1)) / steps
                if number:  # the first round warms up
                    best[name] = min(best[name], seconds)
        for name, seconds in best.items():
            each = [f"{1e3 * seconds:.2f}", f"{1 / seconds:.1f}"]
            against = [f"{seconds / best[other]:.3f}" for other in (BARE, FUSED, TEXTBOOK)]
            called = "points" if size == 2 else f"{size}x{size}"
            rows.append([called, name, *each, *against])
    print(f"{harness.processor()}, CPU time, one core, load average {os.getloadavg()[0]:.1f}")
    print(f"batch {given.batch}, width {given.width}\n")
    header = ["data", "tool", "ms a step", "steps a second", "/ bare", "/ fused", "/ textbook"]
    print(markdown(header, rows))


def _seconds(tool: Callable[[int], None], epochs: int) -> float:
    start = time.process_time()
    tool(epochs)
    return time.process_time() - start


def _steps(size: int, given: argparse.Namespace) -> int:
    """Steps of an epoch, for a run to take about as long as asked for."""
    x = torch.zeros(2 * given.batch, *_shape(size))
    bare(x, given, 1, True)
    return max(3, round(given.seconds / (_seconds(lambda e: bare(x, given, e, True), 2) / 4)))


def _shape(size: int) -> tuple[int, ...]:
    """Of a row: a point, or an image."""
    return (2,) if size == 2 else (1, size, size)


def networks(x: Tensor, given: argparse.Namespace) -> DCGAN | GAN:
    """The program, whose networks all tools train."""
    torch.manual_seed(0)
    if x.dim() == 2:
        return GAN(x.shape[-1], latents=LATENTS)
    return DCGAN(x.shape[-1], latents=LATENTS, width=given.width)


def through_fit(x: Tensor, given: argparse.Namespace, epochs: int) -> None:
    """`fit` with `Adversarial`."""
    method = pg.Adversarial(learning_rate=RATE, betas=BETAS)
    options = {"batch_size": given.batch, "seed": 0, "progress": False, "threads": 1}
    pg.fit(networks(x, given), method, data={"x": x}, epochs=epochs, **options)


def bare(x: Tensor, given: argparse.Namespace, epochs: int, fused: bool) -> None:
    """A loop with nothing that it does not need."""
    model = networks(x, given)
    generator, critic = model.generator, model.critic
    ours, theirs = (
        torch.optim.Adam(network.parameters(), RATE, BETAS, fused=fused)
        for network in (generator, critic)
    )
    weights = list(generator.parameters())
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(given.batch):
            fake = generator(torch.randn(len(rows), LATENTS))
            loss = F.softplus(-critic(x[rows])).mean() + F.softplus(critic(fake.detach())).mean()
            loss.backward()
            theirs.step()
            theirs.zero_grad()
            F.softplus(-critic(fake)).mean().backward(inputs=weights)
            ours.step()
            ours.zero_grad()


def textbook(x: Tensor, given: argparse.Namespace, epochs: int) -> None:
    """The loop that most implementations have."""
    model = networks(x, given)
    generator, critic = model.generator, nn.Sequential(model.critic, nn.Sigmoid())
    criterion = nn.BCELoss()
    ours, theirs = (
        torch.optim.Adam(network.parameters(), RATE, BETAS) for network in (generator, critic)
    )
    for _ in range(epochs):
        for (real,) in DataLoader(TensorDataset(x), batch_size=given.batch, shuffle=True):
            valid, fake = torch.ones(len(real)), torch.zeros(len(real))
            ours.zero_grad()
            images = generator(torch.randn(len(real), LATENTS))
            loss = criterion(critic(images), valid)
            loss.backward()
            ours.step()
            theirs.zero_grad()
            told = (criterion(critic(real), valid) + criterion(critic(images.detach()), fake)) / 2
            told.backward()
            theirs.step()
            loss.item(), told.item()  # that it prints


if __name__ == "__main__":
    main()
