"""Rows of a summary over a limit: how grave, which are the worst, and how they are listed."""

import pandas as pd

from probgen.diagnose.finding import Severity

CHANCE_SHARE = 0.05  # of all scalars: more of them over a limit is no accident


def severity_by_share(over: int, of: int, hard: bool) -> Severity:
    """Failure when one scalar is far over a limit or more than a chance share is over it."""
    return "failure" if hard or over > CHANCE_SHARE * of else "warning"


def worst_first(column: pd.Series, chosen: pd.Series, ascending: bool) -> pd.Series:
    """Chosen rows of a column, worst first."""
    return column[chosen].sort_values(ascending=ascending)


def sampled_first(column: pd.Series, sampled: set[str]) -> pd.Series:
    """The same rows, those that the sampler moved itself first: the others follow from them."""
    own = column.index.isin(sampled)
    return pd.concat([column[own], column[~own]])


def as_mapping(column: pd.Series) -> dict[str, float]:
    """A column as {parameter: number}, in its order."""
    return {str(name): float(value) for name, value in column.items()}


def worst_list(column: pd.Series, form: str = ".3g", unit: str = "", most: int = 3) -> str:
    """The first rows as text: "`mu` 1.24, `tau` 1.1 and 3 more"."""
    named = [f"`{name}` {value:{form}}{unit}" for name, value in column.iloc[:most].items()]
    rest = len(column) - most
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")
