"""Which engine for which network: chosen from width, zeros and size, with the reason in words.

Exact elimination wins whenever its tables are small: it costs milliseconds and has no error.
Beyond that, clusters where all pairs attract; Gibbs where neighbours hold each other loosely, or
where blocks drawn jointly are known to reach every state; and parallel tempering otherwise.
"""

from __future__ import annotations

from probgen.inference.graphical.blocks.plan import plan_blocks
from probgen.inference.graphical.clusters.model import is_ferromagnetic
from probgen.inference.graphical.elimination.memory import cost_of
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.gibbs import Gibbs
from probgen.inference.graphical.influence import influences
from probgen.inference.graphical.method import GraphMethod
from probgen.inference.graphical.native.library import build_together
from probgen.inference.graphical.parallel_tempering import ParallelTempering
from probgen.inference.graphical.swendsen_wang import SwendsenWang
from probgen.targets.factors import Factors

__all__ = ["choose_engine"]

_STRONG = 1.6  # of summed influences: 4 tanh(J) on a square lattice, whose magnet freezes at 1.66
_EXACT_ENTRIES = 1e8  # of all clique tables: about half a second and 800 MB


def choose_engine(factors: Factors) -> tuple[GraphMethod, str]:
    """The engine for a network with its evidence, and why it was chosen."""
    build_together("elimination_order.cpp", "junction_tree.cpp")
    cost = cost_of(factors)
    size = f"{len(factors.free)} free variables, width {cost.width}, "
    size += f"{cost.entries:.2g} entries in all clique tables"
    if cost.entries <= _EXACT_ENTRIES and cost.feasible:
        return Exact(), f"exact elimination is cheap: {size}"
    wide = f"too wide for exact elimination ({size})"
    if is_ferromagnetic(factors):
        return SwendsenWang(), f"{wide}; all couplings attract, so whole clusters can be flipped"
    if not any((table == -float("inf")).any() for table in factors.log_tables):
        strength = float(influences(factors).mean())
        told = f"{wide}; every state is possible, and neighbours hold each other"
        if strength <= _STRONG:
            return Gibbs(), f"{told} loosely (influence {strength:.2g})"
        return (
            ParallelTempering(),
            f"{told} so tightly (influence {strength:.2g}) that Gibbs sticks",
        )
    plan = plan_blocks(factors)
    if plan.irreducible:
        return Gibbs(), f"{wide}; blocks of it can be drawn jointly so that every state is reached"
    return (
        ParallelTempering(),
        f"{wide}; zeros tie its variables together too widely to be drawn jointly, so they are "
        "softened on the hotter levels",
    )
