"""probgen: Pyro programs in, diagnosed posteriors out.

    import probgen as pg
    tree = pg.infer(model, data={"y": y})
    print(pg.diagnose(tree))

Names are loaded on first use, so that `import probgen` costs next to nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "HMC": "probgen.inference.hmc",
    "NUTS": "probgen.inference.nuts",
    "check": "probgen.api",
    "describe": "probgen.api",
    "diagnose": "probgen.diagnose",
    "infer": "probgen.api",
    "load_model": "probgen.api",
    "predict": "probgen.api",
    "read_data_file": "probgen.api",
    "save_picture": "probgen.diagnose",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'probgen' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
