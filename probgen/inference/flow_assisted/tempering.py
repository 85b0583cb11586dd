"""Sequential Monte Carlo along a path from a wide normal to a density: how modes are found.

Del Moral, Doucet & Jasra (2006), "Sequential Monte Carlo samplers", JRSS B 68:411-436, with the
temperatures of Jasra, Stephens, Doucet & Tsagaris (2011), "Inference for Levy-driven stochastic
volatility models via adaptive SMC", section 3.2. All particles move together, by Hamiltonian
Monte Carlo on the batched density.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.leapfrog import TorchLeapfrog
from probgen.inference.batched.metric import first_metric
from probgen.inference.batched.transition import transition
from probgen.inference.optimise.importance import log_mean, weighted_rows
from probgen.targets.batch import BatchedDensity

__all__ = ["Particles", "Reference", "Settings", "reference_of", "tempered"]

MOST_TEMPERATURES = 500
SMALLEST_RISE = 1e-8
MAX_ENERGY_ERROR = 1000.0
TARGET_ACCEPT = 0.8
TRAJECTORY = math.pi / 2
"""Time of a trajectory in whitened coordinates: a quarter of the period of a normal."""
MOST_STEPS = 16
MOST_SHARE, WIDER = 0.5, 3.0
"""From which share of its scale on the reference is made wider, and how many times as wide."""
_BISECTIONS = 40
Watch = Callable[[float, int], None]


@dataclass(frozen=True)
class Reference:
    """Independent normals (dim,), where the path begins."""

    mean: Tensor
    scale: Tensor

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Independent draws (count, dim)."""
        noise = torch.randn(count, len(self.mean), generator=generator, dtype=torch.float64)
        return self.mean + self.scale * noise

    def value_and_grad(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Log density (n,) in nats, and gradient (n, dim)."""
        z = (q - self.mean) / self.scale
        constant = self.scale.log().sum() + 0.5 * q.shape[1] * math.log(2 * math.pi)
        return -0.5 * z.square().sum(1) - constant, -z / self.scale


def reference_of(initial: np.ndarray, width: float) -> Reference:
    """A normal of standard deviation `width` around the starts, or twice as wide as these are."""
    starts = torch.from_numpy(np.array(initial, dtype=np.float64))
    spread = starts.std(0) if len(starts) > 1 else torch.zeros_like(starts[0])
    return Reference(starts.mean(0), (2 * spread).clamp(min=width))


@dataclass(frozen=True)
class Settings:
    """How carefully the path is followed."""

    ess_share: float = 0.7
    """Effective share of the particles that a rise in temperature may leave."""
    moves: int = 4
    """Transitions at every temperature."""
    last_moves: int = 8
    """Transitions at the density itself."""


@dataclass
class Particles:
    """Equally weighted draws of the density, and what the path told."""

    position: Tensor
    """(n, dim)"""
    log_density: Tensor
    log_evidence: float
    """log of the integral of the density (nats)."""
    temperatures: list[float]
    evaluations: int
    acceptance: float
    """Mean acceptance of the moves at the density itself."""
    diverging: Tensor
    """Whether the last move of a particle diverged (n,)."""


@dataclass
class _Blend:
    """The density at inverse temperature `beta`, on the way from the reference."""

    target: BatchedDensity
    reference: Reference
    beta: float = 0.0
    evaluations: int = 0
    engine = "blend"

    def __post_init__(self) -> None:
        self.dim, self.device = self.target.dim, self.target.device

    def value_and_grad(self, q: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient, of_reference, slope = self.parts(q)
        return (
            (1 - self.beta) * of_reference + self.beta * value,
            (1 - self.beta) * slope + self.beta * gradient,
        )

    def parts(self, q: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Target and gradient, reference and gradient."""
        self.evaluations += len(q)
        value, gradient = self.target.value_and_grad(q)
        return value.to(q), gradient.to(q), *self.reference.value_and_grad(q)


def tempered(
    target: BatchedDensity,
    reference: Reference,
    count: int,
    generator: torch.Generator,
    settings: Settings | None = None,
    watch: Watch | None = None,
) -> Particles | None:
    """`count` particles of `target`; None when none of the reference's draws is in its support.

    Where the particles turn out nearly as wide as the reference they may have come from too
    narrow a place, and come once more from a wider one; the path of the larger evidence counts,
    for what misses mass loses evidence. `watch` is told the inverse temperature and the
    evaluations so far.
    """
    settings = settings or Settings()
    found = _path(target, reference, count, generator, settings, watch)
    if found is None:
        return None
    spread = found.position.std(0)
    narrow = spread > MOST_SHARE * reference.scale
    if narrow.any():
        scale = torch.where(
            narrow, WIDER * torch.maximum(spread, reference.scale), reference.scale
        )
        wide = Reference(reference.mean, scale)
        other = _path(target, wide, count, generator, settings, watch)
        if other is not None:
            spent = found.evaluations + other.evaluations
            found = max(found, other, key=lambda particles: particles.log_evidence)
            found.evaluations = spent
    return found


def _path(
    target: BatchedDensity,
    reference: Reference,
    count: int,
    generator: torch.Generator,
    settings: Settings,
    watch: Watch | None,
) -> Particles | None:
    blend = _Blend(target, reference)
    leapfrog = TorchLeapfrog(blend)
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    position = reference.draw(count, generator)
    log_evidence, temperatures, step, acceptance = 0.0, [0.0], 1.0, 0.0
    while blend.beta < 1:
        value, _, of_reference, _ = blend.parts(position)
        gain = (value - of_reference).numpy(force=True)
        gain = np.where(np.isfinite(gain), gain, -np.inf)
        if not np.isfinite(gain).any():
            return None
        rest = 1 - blend.beta
        rise = _rise(gain, rest, settings.ess_share)
        last = len(temperatures) >= MOST_TEMPERATURES or rest - rise < SMALLEST_RISE
        rise = rest if last else rise  # the last step is weighted for all that is left
        log_weights = rise * gain
        log_evidence += log_mean(log_weights)
        weights = np.exp(log_weights - log_weights.max())
        rows = weighted_rows(weights / weights.sum(), count, rng)
        blend.beta = 1.0 if last else blend.beta + rise
        temperatures.append(blend.beta)
        ensemble = leapfrog.start(position[torch.from_numpy(rows)])
        metric = first_metric(_sound(ensemble))
        for _ in range(settings.last_moves if last else settings.moves):
            steps = max(1, min(MOST_STEPS, math.ceil(TRAJECTORY / step)))
            moved = transition(
                leapfrog, ensemble, metric, step, steps, generator, MAX_ENERGY_ERROR
            )
            ensemble, acceptance = moved.ensemble, float(moved.acceptance.mean())
            step *= math.exp(acceptance - TARGET_ACCEPT)
            if watch is not None:
                watch(blend.beta, blend.evaluations)
        position = ensemble.position
    return Particles(
        position, ensemble.log_density, log_evidence, temperatures, blend.evaluations, acceptance,
        moved.diverging,
    )  # fmt: skip


def _rise(gain: np.ndarray, most: float, share: float) -> float:
    """The rise in inverse temperature that leaves an effective `share` of the particles."""

    def left(rise: float) -> float:
        log_weights = rise * gain
        weights = np.exp(log_weights - log_weights.max())
        return float(weights.sum() ** 2 / (weights**2).sum() / len(gain))

    if left(most) >= share:
        return most
    low, high = 0.0, most
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if left(middle) >= share else (low, middle)
    return max(low, SMALLEST_RISE)


def _sound(ensemble: Ensemble) -> Ensemble:
    sound = ensemble.sound()
    if not sound.any():
        return ensemble
    return Ensemble(
        ensemble.position[sound], ensemble.gradient[sound], ensemble.log_density[sound]
    )
