"""probgen: Pyro programs and pgmpy networks in, diagnosed posteriors out.

    import probgen as pg
    tree = pg.infer(model, data={"y": y})
    print(pg.diagnose(tree))

Names are loaded on first use, so that `import probgen` costs next to nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_GRAPHICAL = "probgen.inference.graphical"

_WHERE = {
    "HMC": "probgen.inference.hmc",
    "MAP": f"{_GRAPHICAL}.maximum",
    "NUTS": "probgen.inference.nuts",
    "AnnealedImportance": f"{_GRAPHICAL}.annealed_importance",
    "BeliefPropagation": f"{_GRAPHICAL}.belief_propagation",
    "Exact": f"{_GRAPHICAL}.exact",
    "Factor": "probgen.declare.network",
    "Gibbs": f"{_GRAPHICAL}.gibbs",
    "MeanField": f"{_GRAPHICAL}.mean_field",
    "Network": "probgen.declare.network",
    "ParallelTempering": f"{_GRAPHICAL}.parallel_tempering",
    "SwendsenWang": f"{_GRAPHICAL}.swendsen_wang",
    "check": "probgen.api",
    "describe": "probgen.api",
    "diagnose": "probgen.diagnose",
    "draw": "probgen.api",
    "graph": "probgen.api",
    "infer": "probgen.api",
    "load_model": "probgen.declare.modelfile",
    "load_network": "probgen.declare.networks.load",
    "marginals": "probgen.results.network_tree",
    "predict": "probgen.inference.predict",
    "read_data_file": "probgen.declare.datafile",
    "save_picture": "probgen.diagnose",
}
# Where the function in a module is not called what users call it.
_CALLED = {"marginals": "marginals_table"}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'probgen' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), _CALLED.get(name, name))


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
