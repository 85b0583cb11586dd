"""Which chains were started together, for nested R-hat (Margossian et al. 2024).

Many short chains cannot each be judged alone. Started in groups, every group at a point of its
own, they can: once the starts are forgotten, the groups' means differ by chance alone.
"""

from typing import Any

import numpy as np

from probgen.errors import OptionError


def superchains_of(tree: Any, chains: int, given: Any) -> np.ndarray | None:
    """The group of every chain, or None where nothing says that chains were started in groups.

    `given` is their number (chains that follow one another are a group), or one label per chain;
    else a coordinate `superchain` of the posterior's chains is looked for. Raises `OptionError`
    when there are less than two groups, or not equally many chains in each.
    """
    if given is None:
        posterior = tree["posterior"] if hasattr(tree, "children") else {}
        if "superchain" not in posterior:
            return None
        given = np.asarray(posterior["superchain"].values)
    if isinstance(given, int):
        if given < 1 or chains % given:
            raise OptionError(
                f"diagnose: superchains={given}: it must divide the {chains} chains into groups "
                "of equal size."
            )
        given = np.repeat(np.arange(given), chains // given)
    _, ids, sizes = np.unique(np.asarray(given), return_inverse=True, return_counts=True)
    if np.shape(given) != (chains,) or len(sizes) < 2 or len(set(sizes.tolist())) > 1:
        raise OptionError(
            f"diagnose: superchains needs one label for each of {chains} chains, of two groups "
            "or more of equal size."
        )
    return np.asarray(ids).ravel()
