"""Many small programs in one, since starting the C++ compiler is what takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pyro.poutine.messenger import Messenger

__all__ = ["groups", "together"]


class _Prefix(Messenger):
    """Puts a name before the names of all sites."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def _pyro_sample(self, msg):
        msg["name"] = f"{self.name}.{msg['name']}"


def together(programs: Mapping[str, Callable]) -> Callable[[], None]:
    """One program that runs all of them, the sites of each under its name."""

    def model():
        for name, program in programs.items():
            with _Prefix(name):
                program()

    return model


def groups(names: Iterable[str], size: int) -> list[list[str]]:
    """The names, so many at a time."""
    names = list(names)
    return [names[i : i + size] for i in range(0, len(names), size)]
