"""The VAE of Pyro's tutorial on one core: training steps against peers, in CPU time.

    python -m tests.benchmarks.vae_step [--rounds 4] [--batches 12] [--mnist FILE]

784 pixels, 400 softplus units, 50 normal latents, minibatches of 256, Adam at 1e-3 (Kingma &
Welling 2014). Tools take turns in one process, and the best of several rounds counts; of each the
difference between runs of one and of three epochs is taken, so that setting up does not count.
Pyro's row is its example's loop, with its data in memory behind torch's DataLoader; pythae's is
its `BaseTrainer`, which has the same networks here and is left out where it is not installed.
"Probabilities" is the program of the example, a sigmoid and `Bernoulli(probs)`; "logits" leaves
the sigmoid to the likelihood. Pixels are noise, or with --mnist, a NumPy file whose first array is
images, those at half of full ink.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable

from tests.benchmarks import clock

if __name__ == "__main__":  # before the numerical libraries are loaded
    os.environ.update(clock.one_thread_environment())
    clock.pin_to(sorted(os.sched_getaffinity(0))[-1])

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from tests.benchmarks import harness
from tests.benchmarks.table import markdown

PIXELS, HIDDEN, LATENTS, BATCH, RATE = 784, 400, 50, 256, 1e-3
PYRO, PYTHAE = "Pyro's example loop", "pythae's trainer"


class Encoder(nn.Module):
    """Mean and scale of the latents."""

    def __init__(self) -> None:
        super().__init__()
        self.below, self.act = nn.Linear(PIXELS, HIDDEN), nn.Softplus()
        self.mean, self.log_scale = nn.Linear(HIDDEN, LATENTS), nn.Linear(HIDDEN, LATENTS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(row, pixel) -> two of (row, latent)."""
        hidden = self.act(self.below(x))
        return self.mean(hidden), torch.exp(self.log_scale(hidden))


def make_decoder() -> nn.Module:
    """(row, latent) -> logits (row, pixel)."""
    return nn.Sequential(nn.Linear(LATENTS, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, PIXELS))


class VAE(PyroModule):
    """The example's program and guide."""

    def __init__(self, logits: bool) -> None:
        super().__init__()
        self.encoder, self.decoder, self.logits = Encoder(), make_decoder(), logits

    def forward(self, x: Tensor | None = None) -> None:
        """The program."""
        rows = 1 if x is None else len(x)
        with pyro.plate("data", rows):
            prior = dist.Normal(torch.zeros(rows, LATENTS), torch.ones(rows, LATENTS))
            z = pyro.sample("latent", prior.to_event(1))
            out = self.decoder(z)
            if self.logits:
                law = dist.Bernoulli(logits=out, validate_args=False)
            else:
                law = dist.Bernoulli(torch.sigmoid(out), validate_args=False)
            pyro.sample("x", law.to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """Normal with the encoder's mean and scale."""
        with pyro.plate("data", len(x)):
            mean, scale = self.encoder(x)
            pyro.sample("latent", dist.Normal(mean, scale).to_event(1))


class Example(nn.Module):
    """The same as Pyro's example has it: plain modules registered by `pyro.module`."""

    def __init__(self) -> None:
        super().__init__()
        self.program = VAE(logits=False)
        self.encoder, self.decoder = self.program.encoder, self.program.decoder

    def model(self, x: Tensor) -> None:
        """The program."""
        pyro.module("decoder", self.decoder)
        VAE.forward(self.program, x)

    def guide(self, x: Tensor) -> None:
        """The guide."""
        pyro.module("encoder", self.encoder)
        VAE.guide(self.program, x)


def main() -> None:
    """Measure all in turns, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--mnist", help="images as a NumPy file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    data = pixels(given.mnist, given.batches * BATCH)
    print(f"{harness.processor()}, CPU time, one core\n")
    tools: dict[str, Callable[[int], None]] = {
        PYRO: lambda epochs: pyro_fit(data, epochs),
        PYTHAE: lambda epochs: pythae_fit(data, epochs),
        "probgen, same program and loss": lambda e: probgen_fit(data, e, "trace", False),
        "probgen, probabilities": lambda e: probgen_fit(data, e, "auto", False),
        "probgen, logits": lambda e: probgen_fit(data, e, "auto", True),
        "probgen, logits, bf16-mixed": lambda e: probgen_fit(data, e, "auto", True, "bf16-mixed"),
    }
    found = best_of(given.rounds, {n: per_step(run, given.batches) for n, run in tools.items()})
    header = ["VAE step", "ms", "rows per second", "times Pyro", "times pythae"]
    rows = [
        [
            name,
            f"{seconds * 1e3:.2f}",
            f"{BATCH / seconds:.0f}",
            f"{found[PYRO] / seconds:.2f}",
            f"{found[PYTHAE] / seconds:.2f}",
        ]
        for name, seconds in found.items()
    ]
    print(markdown(header, rows))


def pixels(file: str | None, rows: int) -> Tensor:
    """Binary rows, float32."""
    if file is None:
        random = torch.Generator().manual_seed(0)
        return (torch.rand(rows, PIXELS, generator=random) < 0.13).float()
    kept = np.load(file, mmap_mode="r", allow_pickle=False)
    array = kept[kept.files[0]] if hasattr(kept, "files") else kept
    flat = np.asarray(array[:rows]).reshape(-1, PIXELS)
    return torch.from_numpy((flat > flat.max() / 2).astype(np.float32))


def per_step(run: Callable[[int], None], batches: int) -> Callable[[], float]:
    """CPU seconds of a step by a function of epochs; NaN where the tool is absent."""

    def measure() -> float:
        seconds = []
        for epochs in (1, 3):
            start = time.process_time()
            try:
                run(epochs)
            except ImportError:
                return float("nan")
            seconds.append(time.process_time() - start)
        return (seconds[1] - seconds[0]) / (2 * batches)

    return measure


def best_of(rounds: int, measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The least of several rounds in which all take turns, after one that does not count."""
    found = dict.fromkeys(measures, float("inf"))
    for number in range(rounds + 1):
        for name, measure in measures.items():
            seconds = measure()
            if number:
                found[name] = min(found[name], seconds) if seconds == seconds else seconds
    return found


def probgen_fit(
    data: Tensor, epochs: int, kind: str, logits: bool, precision: str | None = None
) -> None:
    """`fit` with SVI."""
    from probgen.inference.fit import fit
    from probgen.inference.variational.svi import SVI
    from probgen.learn.variational.objectives import ELBO

    method = SVI(objective=ELBO(kind=kind), learning_rate=RATE)
    options = {"batch_size": BATCH, "seed": 1, "progress": False, "precision": precision}
    fit(VAE(logits), method, data={"x": data}, epochs=epochs, **options)


def pyro_fit(data: Tensor, epochs: int) -> None:
    """The loop of Pyro's example."""
    pyro.clear_param_store()
    model = Example()
    optimiser = pyro.optim.Adam({"lr": RATE})
    svi = pyro.infer.SVI(model.model, model.guide, optimiser, loss=pyro.infer.Trace_ELBO())
    cases = torch.utils.data.TensorDataset(data, torch.zeros(len(data)))
    loader = torch.utils.data.DataLoader(cases, batch_size=BATCH, shuffle=True)
    for _ in range(epochs):
        total = 0.0
        for x, _ in loader:
            total += svi.step(x)
    pyro.clear_param_store()


def pythae_fit(data: Tensor, epochs: int) -> None:
    """Pythae's trainer on the same networks."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Up(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = Encoder()

        def forward(self, x: Tensor) -> ModelOutput:
            hidden = self.net.act(self.net.below(x))
            code = {"embedding": self.net.mean(hidden)}
            return ModelOutput(**code, log_covariance=self.net.log_scale(hidden))

    class Down(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = make_decoder()

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    shape = {"input_dim": (PIXELS,), "latent_dim": LATENTS}
    model = PythaeVAE(VAEConfig(**shape, reconstruction_loss="bce"), Up(), Down())
    with tempfile.TemporaryDirectory() as folder, quiet():
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            num_epochs=epochs,
            learning_rate=RATE,
            no_cuda=True,
        )
        BaseTrainer(
            model, BaseDataset(data, torch.zeros(len(data))), training_config=config
        ).train()


@contextlib.contextmanager
def quiet():
    """Progress bars go nowhere."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


if __name__ == "__main__":
    main()
