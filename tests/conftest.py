"""What takes longest is begun first, and no test sees random numbers of those before it."""

import os
import random

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
    # Processes share the cores, before libraries are loaded that would each take all of them.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

import numpy as np
import pytest

FIRST = ("test_tutorials.py", "test_readme.py")


def pytest_configure(config: pytest.Config) -> None:
    """Files go to processes in the order below, not by how many tests they hold."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Tests of a file share a process, but not tutorials: those would keep one to the end."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            alone = any(f"{name}::" in nodeid for name in FIRST)
            return nodeid if alone else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FIRST)


@pytest.fixture(autouse=True, scope="module")
def _seeded_module() -> None:
    """Generators begin alike, and parameters of other modules are not in Pyro's store."""
    import pyro

    _seed()
    pyro.clear_param_store()


@pytest.fixture(autouse=True)
def _seeded_test() -> None:
    """The generators of torch, NumPy and Python begin alike, whatever ran before."""
    _seed()


def _seed() -> None:
    import torch

    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
