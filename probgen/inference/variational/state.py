"""A training in flight as a `KernelState`: what its next step depends on, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.results.store.state import KernelState

if TYPE_CHECKING:
    from probgen.inference.variational.fit import Fitting

__all__ = ["load_state", "state_of"]

_GUIDE, _OPTIMISER, _AVERAGE = "guide/", "optimiser/", "average/"


def state_of(fitting: Fitting, positions: np.ndarray) -> KernelState:
    """The state after `fitting.step_number` steps; `positions` (chain, dim) are where it began."""
    arrays = {_GUIDE + name: value for name, value in fitting.guide.state_dict().items()}
    for number, entries in fitting.optimiser.state_dict()["state"].items():
        arrays |= {f"{_OPTIMISER}{number}/{key}": value for key, value in entries.items()}
    average, faults = fitting.average, fitting.faults
    for part in ("first", "older", "newer"):
        for number, value in enumerate(getattr(average, part)):
            arrays[f"{_AVERAGE}{part}/{number}"] = value
    plain = {
        "losses": fitting.losses[: fitting.step_number],
        "plateaus": fitting.plateaus.state(),
        "average/counts": np.array(average.counts),
        "faults": faults.state(),
    }
    stream = fitting.generator.get_state().numpy()
    return KernelState(
        fitting.step_number,
        positions,
        np.pad(stream, (0, -len(stream) % 8)).view(np.uint64)[None],
        {n: v.detach().numpy()[None] for n, v in arrays.items()}
        | {n: v[None] for n, v in plain.items()},
        {"gradients": np.array([fitting.evaluations]), "seconds": np.array([fitting.seconds])},
    )


def load_state(fitting: Fitting, state: KernelState) -> None:
    """Have a new training go on where `state` stood; raises `OptionError` if it is of another."""
    try:
        _load(fitting, {name: np.array(value[0]) for name, value in state.adaptation.items()})
        stream = torch.from_numpy(np.array(state.rng[0]).view(np.uint8))
        fitting.generator.set_state(stream[: len(fitting.generator.get_state())])
        fitting.evaluations = int(state.counters["gradients"][0])
        fitting.seconds = float(state.counters["seconds"][0])
        fitting.step_number = state.iteration
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise OptionError(
            f"state: it does not fit this training ({error}). Go on with the model and the "
            "method of the run, or start anew."
        ) from error


def _load(fitting: Fitting, arrays: dict[str, np.ndarray]) -> None:
    def under(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): torch.from_numpy(value)
            for name, value in arrays.items()
            if name.startswith(prefix)
        }

    saved = under(_GUIDE)
    fitting.guide.factor = torch.empty_like(saved["factor"])  # a diagonal or a matrix
    fitting.guide.load_state_dict(saved)
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in under(_OPTIMISER).items():
        number, key = name.split("/")
        entries.setdefault(int(number), {})[key] = value
    groups = fitting.optimiser.state_dict()["param_groups"]
    fitting.optimiser.load_state_dict({"state": entries, "param_groups": groups})
    average = fitting.average
    for part in ("first", "older", "newer"):
        for place, value in enumerate(getattr(average, part)):
            value.copy_(torch.from_numpy(arrays[f"{_AVERAGE}{part}/{place}"]))
    average.counts = [int(count) for count in arrays["average/counts"]]
    losses = arrays["losses"]
    fitting.losses[: len(losses)] = losses
    fitting.plateaus.load_state(arrays["plateaus"])
    fitting.faults.load_state(arrays["faults"])
