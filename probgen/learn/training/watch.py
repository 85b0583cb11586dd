"""What of a training is watched: draws at set times, what they measure, a collapse."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probgen.errors import OptionError

__all__ = ["Watch", "read_watch"]

_LOOKS, _APART = 50, 100
"""Looks in all and steps between two of them, where no times are set."""


@dataclass(frozen=True)
class Watch:
    """Looks at the draws of a program while it is trained; training bits stay the same.

    At every look the data sites are drawn by the program in its mode for evaluation (with
    averaged weights if there are any). The first `samples` draws stay in the fit's tree, group
    `watched`, and, where there is a store, are written to its folder as a picture
    (`watched-STEP-SITE.png`: images in a grid, points in the plane over the data). In pictures of
    a conditional program, whose draws have labels, every class has a row, from the smallest label
    down, of `samples` / classes draws. All `judged` are measured; the history holds the numbers
    as `watched_...`:

        spread: sum of the variances of all entries, relative to that of as many rows of data
        coverage: share of the rows of data nearer to a draw than to their fifth neighbour among
            the data (Naeem, Oh, Uh, Choi & Yoo 2020): which modes are there at all
        modes: modes with draws, if `modes` are given

    A number that falls below `collapse` times its best, or a spread below `collapse` times the
    data's at the last look, is a collapse: the progress line and a note tell it once, with the
    step. So is the trouble of generative models that draw the same few cases again and again.

    Of processes that train together the first one looks, at the weights that all of them have and
    at rows of the whole data, while the others wait; its fit alone has what was watched.

    Args:
        samples: draws that are kept and shown; of more than 100 looks, those of every second,
            fourth, ... look.
        every: epochs between looks; None for every hundredth step, but no more than 50 looks in
            all: a look costs about as much as a step, so that is 1 to 2 % of the time.
        metric: function of the draws, (judged, ...), of several data sites a mapping of such, to
            a number or a mapping from names to numbers.
        judged: draws that are measured, at least `samples`.
        modes: centres of modes, (mode, feature), or a function from draws to the number of each
            draw's mode, (judged,).
        collapse: see above; 0 for no warnings.
        seed: of the draws, beside the step.

    """

    samples: int = 64
    every: float | None = 1
    metric: Callable[[Any], Any] | None = None
    judged: int = 256
    modes: Any = None
    collapse: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate; raises `OptionError` naming the option."""
        for name in ("samples", "judged"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
                raise OptionError(f"Watch({name}={value!r}): must be an integer of at least 1.")
        if self.every is not None and not (_is_number(self.every) and self.every > 0):
            raise OptionError(f"Watch(every={self.every!r}): epochs between looks, above 0.")
        if self.metric is not None and not callable(self.metric):
            raise OptionError(f"Watch(metric={self.metric!r}): a function of draws, or None.")
        if not (_is_number(self.collapse) and 0 <= self.collapse < 1):
            raise OptionError(f"Watch(collapse={self.collapse!r}): a share, from 0 to below 1.")

    def steps_between(self, steps_per_epoch: int, total: int) -> int:
        """Steps from one look to the next."""
        if self.every is None:
            return max(_APART, -(-total // _LOOKS))
        return max(1, round(self.every * steps_per_epoch))


def read_watch(given: Any) -> Watch | None:
    """The option `watch` of `fit`: True for the usual, False for none. Raises `OptionError`."""
    if given is None or given is False:
        return None
    if given is True:
        return Watch()
    if isinstance(given, Watch):
        return given
    raise OptionError(f"watch={given!r}: give Watch(...), True, or False.")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
