"""Steps without the checks of distributions, which cost a small network much of its time."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pyro
import pyro.distributions as dist
from pyro import infer, poutine
from torch.distributions import Distribution

__all__ = ["unvalidated"]


def unvalidated() -> AbstractContextManager[None]:
    """Arguments of distributions and shapes of sites unchecked; nothing where that is so already.

    To switch the checks Pyro sets an attribute of the class of all distributions, by which Python
    forgets what it has looked up in each of them: a training switches once and not in every step.
    """
    checked = (
        Distribution._validate_args
        or dist.is_validation_enabled()
        or poutine.is_validation_enabled()
        or infer.is_validation_enabled()
    )
    return pyro.validation_enabled(False) if checked else nullcontext()
