"""A program as a simulator: data drawn at given or prior values of its latent sites.

Some latent sites are *moved* by a sampler; the others are drawn together with the data, which
integrates over them. Rows run together under `torch.vmap` where the program allows.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pyro.distributions.util import scale_and_mask
from torch import Tensor
from torch.distributions import constraints

from probgen.declare.batched_draws import rows_at_once
from probgen.declare.bijections import bijection
from probgen.declare.checks.failure import failure
from probgen.declare.discrete.scalars import index_by_scalars
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.placing import PlacePrior
from probgen.declare.program import Program
from probgen.declare.replay import in_blocks
from probgen.declare.sites import is_latent, is_statement, site_kind
from probgen.declare.supports import label, support_of
from probgen.errors import ModelError, OptionError, ProbgenError

__all__ = ["Simulations", "Simulator", "moved_sites"]

_PRIOR = "log prior"  # a slash or space is in no site's name that a store would take
_SEEDS = 2**32
_BATCH, _BATCH_APART = 10_000, 200


@dataclass(frozen=True)
class Simulations:
    """Runs of a program, a row each."""

    values: dict[str, np.ndarray]
    """Latent and deterministic sites, constrained: (row, *shape of the site)."""
    data: dict[str, Tensor]
    """Observed sites, drawn: (row, *shape of the site)."""
    log_prior: np.ndarray
    """Log density (nats) of the moved sites on the unconstrained scale, (row,)."""


class Simulator:
    """Draws of a program's data, with everything that it computes on the way.

    Args:
        program: as `read_program` gives it; its log density is not asked for.
        moved: names of the continuous latent sites that are set, and not drawn.

    Raises `ModelError` for a program without observed sites, with factors, with a site that has
    no sampler, or that fails.

    """

    def __init__(self, program: Program, moved: Sequence[str] = ()) -> None:
        self.program = program
        self.moved = tuple(moved)
        for site in program.of_kind("factor"):
            raise ModelError(
                f"The factor {site.name!r} weighs runs of the program, which simulations cannot: "
                "write what it stands for as an observed site, or use NUTS()."
            )
        self.observed = [site.name for site in program.of_kind("observed")]
        if not self.observed:
            raise ModelError(
                f"The program {program.name!r} observes nothing with these data, so that no "
                "simulation can be compared: pass the data, and observe them with "
                "pyro.sample(name, distribution, obs=value)."
            )
        kinds = ("latent", "deterministic")
        self._kept = [site.name for site in program.sites.values() if site.kind in kinds]
        self._shapes = [program.sites[name].unconstrained_shape for name in self.moved]
        with self._environment(0):
            self._at_once = rows_at_once(lambda: self._checked(0))
        self._together = self._repeats()

    @property
    def batch(self) -> int:
        """Most runs to make at a time: fewer where rows run one after another, which is slow."""
        return _BATCH if self._together else _BATCH_APART

    @property
    def dim(self) -> int:
        """Coordinates of the moved sites."""
        return sum(int(np.prod(shape)) for shape in self._shapes)

    def given(self) -> dict[str, Tensor]:
        """The data that were observed, by site, as one row."""
        return {name: self.program.observed[name][None] for name in self.observed}

    def from_prior(self, count: int, seed: int) -> Simulations:
        """So many runs with all latent sites from the prior."""
        return self._run({}, count, seed)

    def at(self, positions: np.ndarray, seed: int) -> Simulations:
        """Runs at unconstrained values of the moved sites, (row, dim)."""
        rows, start = {}, 0
        for name, shape in zip(self.moved, self._shapes, strict=True):
            stop = start + int(np.prod(shape))
            rows[name] = torch.from_numpy(positions[:, start:stop].reshape(-1, *shape).copy())
            start = stop
        return self._run(rows, len(positions), seed)

    def positions(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Unconstrained values of the moved sites, (row, dim), of runs from the prior."""
        count = len(next(iter(values.values())))
        sizes = [int(np.prod(shape)) for shape in self._shapes]  # there may be no rows
        named = zip(self.moved, sizes, strict=True)
        parts = [values[_unconstrained(name)].reshape(count, size) for name, size in named]
        return np.concatenate(parts, axis=1) if parts else np.zeros((count, 0))

    def _run(self, rows: Mapping[str, Tensor], count: int, seed: int) -> Simulations:
        found: list[dict[str, Tensor]] = []
        with self._environment(seed):
            if self._together:  # parameters of modules are put into Pyro's store by a single row
                self._checked(seed)
                torch.manual_seed(seed % _SEEDS)
            found += in_blocks(self.program, self._one, rows, count, self._at_once, self._together)
        whole = {name: torch.cat([part[name] for part in found]) for name in found[0]}
        data = {name: whole.pop(_observed(name)).double() for name in self.observed}
        log_prior = whole.pop(_PRIOR).numpy()
        return Simulations({n: v.numpy() for n, v in whole.items()}, data, log_prior)

    def _one(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        handler = _Simulate(values, self.moved)
        trace = self.program.trace_with(handler)
        found = {name: trace.nodes[name]["value"] for name in self._kept}
        found |= {_observed(name): trace.nodes[name]["value"] for name in self.observed}
        found |= {_unconstrained(name): v for name, v in handler.unconstrained.items()}
        return {**found, _PRIOR: handler.log_prior}

    def _checked(self, seed: int) -> dict[str, Tensor]:
        try:
            torch.manual_seed(seed % _SEEDS)
            return self._one({})
        except ProbgenError:
            raise
        except KeyError as raised:
            raise ModelError(
                f"Site {raised.args[0]!r} is missing in a run of the program: the set of sites "
                "changes from run to run."
            ) from raised
        except Exception as raised:
            raise ModelError(str(failure(self.program.model, raised))) from raised

    def _repeats(self) -> bool:
        """Whether all random numbers are torch's, so that rows may run together.

        Others would be drawn once for all of the rows.
        """
        with self._environment(1):
            before = _other_states()
            first = self._checked(1)
            touched = _other_states() != before
            second = self._checked(1)
        return not touched and all(torch.equal(first[n], second[n]) for n in first)

    @contextlib.contextmanager
    def _environment(self, seed: int) -> Iterator[None]:
        with (
            tracing(),
            double_precision(),
            isolated(seed % _SEEDS),
            torch.no_grad(),
            index_by_scalars(),
        ):
            yield


class _Simulate(PlacePrior):
    """Sets the moved sites, draws all others and the data, and adds up the moved sites' prior."""

    def __init__(self, values: Mapping[str, Tensor], moved: Sequence[str]) -> None:
        super().__init__()
        self._values, self._moved = values, moved
        self.unconstrained: dict[str, Tensor] = {}
        self.log_prior = torch.zeros(())

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if is_statement(msg) and site_kind(msg) == "observed":
            msg["value"], msg["is_observed"], msg["done"] = None, False, False
        if not is_latent(msg):
            return
        name, law = msg["name"], msg["fn"]
        if name not in self._moved:
            msg["value"], msg["done"] = _drawn(msg), True
            return
        support = support_of(law)
        transform = bijection(support)
        if name in self._values:
            position = self._values[name]
            msg["value"] = transform(position)
        else:
            msg["value"] = _drawn(msg)
            position = transform.inv(msg["value"])
        msg["done"] = True
        self.unconstrained[name] = position
        density = scale_and_mask(law.log_prob(msg["value"]), msg["scale"], msg["mask"])
        self.log_prior = self.log_prior + density.sum()
        if support is not constraints.real:
            jacobian = transform.log_abs_det_jacobian(position, msg["value"])
            self.log_prior = self.log_prior + jacobian.sum()


def _drawn(msg: Mapping[str, Any]) -> Tensor:
    try:
        return getattr(msg["fn"], "sample", msg["fn"])()
    except NotImplementedError as raised:
        raise ModelError(
            f"Site {msg['name']!r} cannot be simulated: {label(msg['fn'])} has no sampler (an "
            "improper prior has none either). Give it a distribution that can be sampled."
        ) from raised


def moved_sites(program: Program, asked: Sequence[str] | None) -> list[str]:
    """The latent sites that a sampler sets; the others are drawn with the data.

    By default the continuous ones outside the plates of the observed sites, which stand for all
    of the data, and where there are none all continuous ones. Raises `OptionError` for a site
    that is no continuous latent site.
    """
    known = [site.name for site in program.latents]
    if asked is not None:
        for name in asked:
            if name not in known:
                raise OptionError(
                    f"sites: {name!r} is no continuous latent site of {program.name!r}; these "
                    f"are {', '.join(map(repr, known)) or 'none'}."
                )
        return [name for name in known if name in asked]
    plates = {plate for site in program.of_kind("observed") for plate in site.plates if plate}
    free = [site.name for site in program.latents if not plates & set(site.plates)]
    found = free or known
    if not found:
        raise ModelError(
            f"The program {program.name!r} has no continuous latent site that could be moved: "
            "take RejectionABC(), which draws all of them from the prior."
        )
    return found


def _observed(name: str) -> str:
    return f"{name} observed"


def _unconstrained(name: str) -> str:
    return f"{name} unconstrained"


def _other_states() -> tuple[Any, ...]:
    """The state of all global generators but torch's."""
    state = np.random.get_state(legacy=False)["state"]
    return random.getstate(), state["key"].tobytes(), state["pos"]
