"""Two fits compared bit for bit."""

from __future__ import annotations

import numpy as np

__all__ = ["all_bits", "assert_same_bits"]


def all_bits(fitted) -> dict[str, np.ndarray]:
    """Weights, averaged weights and history, but for the seconds."""
    found = {name: t.detach().numpy() for name, t in fitted.model.state_dict().items()}
    if fitted.average is not None:
        found |= {f"average {n}": t.numpy() for n, t in fitted.average.state_dict().items()}
    history = fitted.tree["history"]
    return found | {str(n): history[n].values for n in history.data_vars if n != "seconds"}


def assert_same_bits(first, second) -> None:
    """Fail naming what differs."""
    one, other = all_bits(first), all_bits(second)
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.tobytes() == other[name].tobytes(), name
