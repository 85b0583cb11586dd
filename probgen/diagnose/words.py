"""Small pieces of language shared by the findings: lists of names, counts, round numbers."""

from collections.abc import Collection, Iterable, Sequence
from math import ceil, isfinite, log10

MOST_NAMED = 3
MOST_CHAINS_NAMED = 8


def count_of(number: int, noun: str) -> str:
    """Count with its noun: "1 chain", "4 chains"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quoted(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """Names in backquotes, the first few, and how many more."""
    names = list(names)
    text = ", ".join(f"`{name}`" for name in names[:most])
    rest = len(names) - most
    return f"{text} and {rest} more" if rest > 0 else text


def chains_named(chains: Sequence[int], of: int = 0) -> str:
    """The chains by number, counted from 0 as in the DataTree: "chain 2", "chains 0 and 3".

    Of many, the first are named. `of` is the number of chains there are, if "all 4 chains" may be
    said.
    """
    if len(chains) == of > 1:
        return f"all {of} chains"
    numbers = [str(chain) for chain in chains]
    if len(numbers) > MOST_CHAINS_NAMED:
        rest = len(numbers) - MOST_CHAINS_NAMED
        return f"chains {', '.join(numbers[:MOST_CHAINS_NAMED])} and {rest} more"
    if len(numbers) == 1:
        return f"chain {numbers[0]}"
    return f"chains {', '.join(numbers[:-1])} and {numbers[-1]}"


def s_of(things: Collection[object]) -> str:
    """The verb's ending that goes with a list of things: "s" for one, none for several."""
    return "s" if len(things) == 1 else ""


def percent(share: float) -> str:
    """A share as a percentage with two significant digits, but never a false "0 %"."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.2g} %"


def brief(number: float) -> str:
    """A number to three significant digits."""
    return f"{number:.3g}"


def round_up(number: float) -> int:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten."""
    if not isfinite(number) or number <= 0:
        return 0
    base = 10 ** int(log10(number)) if number >= 1 else 1
    for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10):
        if step * base >= number:
            return ceil(step * base)
    return ceil(number)
