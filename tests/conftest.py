"""What takes longest is begun first, so that no process is left with it when others are done."""

import pytest

FIRST = ("test_tutorials.py", "test_readme.py")


def pytest_configure(config: pytest.Config) -> None:
    """Files go to processes in the order below, not by how many tests they hold."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FIRST)
