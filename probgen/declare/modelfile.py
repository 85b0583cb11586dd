"""Model files: a Python file with a Pyro program, its data, and what else belongs to it.

The zoo and a user's own file use this one mechanism: a function that is the program, and
optionally `data` (a mapping, or a function of no arguments that returns one), `method` and
`reference`. Loading a model file runs it, as `import` would: a model file is code. The zoo is
found as the package `probgen.models` and the packages in it, by name only, so that this room does
not depend on it.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from probgen.declare.findprogram import find_program, is_class_of_file
from probgen.errors import DataError, ModelError

__all__ = [
    "ModelFile",
    "load_model",
    "load_zoo_model",
    "zoo_descriptions",
    "zoo_learned",
    "zoo_names",
]

_ZOO = "probgen.models"


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a model file declares.

    `program` is a Pyro program or a network, `name` the zoo name or the file's stem,
    `description` the first line of the docstring,
    `method` and `reference` are None where the file has none, `data_source` is the file's
    `data` as it stands there.
    """

    name: str
    program: Any
    description: str
    path: Path
    data_source: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None
    method: Any = None
    reference: Mapping[str, Any] | None = None

    @cached_property
    def data(self) -> dict[Any, Any]:
        """The program's keyword arguments, or the evidence of the network.

        Made on first use; empty where the file has none.

        Raises `DataError` when `data` takes arguments, fails, or is no mapping of names.
        """
        source = self.data_source
        if callable(source):
            source = self._call(source)
        if source is None:
            return {}
        if not isinstance(source, Mapping) or not self._are_names(source):
            raise DataError(
                f"`data` of {self.path.name} must be a mapping from the program's argument "
                f"names to values, or a function that returns one, not {_kind(source)}."
            )
        return dict(source)

    def _are_names(self, keys: Iterable[Any]) -> bool:
        """Arguments of programs are named by texts, variables of networks by anything."""
        from probgen.declare.networks.recognise import is_network  # numpy: not to list models

        return is_network(self.program) or all(isinstance(key, str) for key in keys)

    def _call(self, source: Callable[[], Any]) -> Any:
        parameters = inspect.signature(source).parameters.values()
        needed = [p.name for p in parameters if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
        if needed:
            raise DataError(
                f"The function `data` of {self.path.name} needs {', '.join(needed)}: it is "
                "called without arguments, so give them defaults."
            )
        try:
            return source()
        except Exception as error:
            raise DataError(
                f"The function `data` of {self.path.name} failed: {_where(error, self.path)}"
            ) from error


def load_model(spec: str | Path) -> ModelFile:
    """Load a zoo name, `path.py`, or either followed by `:function`; or a network.

    The program is the function named after the colon, else the one named like the file, else
    the only public function that uses Pyro, else the only network in the file. A network may
    also be named by its own file (.bif, .uai ...) or be one of those that come with pgmpy.
    Raises `ModelError` when there is no such model, file or function, listing those there are,
    and when the file fails to run.
    """
    from probgen.declare.networks.bundled import bundled_names
    from probgen.declare.networks.recognise import NETWORK_ENDINGS, is_network_file

    text, function = _split(str(spec))
    if text.endswith(".py"):
        return _load_path(Path(text).expanduser(), function)
    if is_network_file(text):
        return _load_network(text, Path(text).expanduser())
    if "/" in text or "\\" in text:
        raise ModelError(
            f"{text!r} is no model file: its name must end in .py, or as that of a network in "
            f"{', '.join(NETWORK_ENDINGS)}."
        )
    if text not in zoo_names() and text in bundled_names():
        return _load_network(text, Path(text))
    return load_zoo_model(text, function)


def _load_network(spec: str, path: Path) -> ModelFile:
    from probgen.declare.networks.load import load_network

    network = load_network(spec)
    about = (
        f"{network.kind.capitalize()} network of {len(network.names)} variables, "
        f"{len(network.factors)} factors"
    )
    return ModelFile(name=network.title, program=network, description=about, path=path)


def load_zoo_model(name: str, function: str | None = None) -> ModelFile:
    """Import the zoo model `name`, or raise `ModelError` with the names closest to it."""
    known = zoo_names()
    if name not in known:
        raise ModelError(_unknown(name, known))
    path = _zoo_files()[name]
    try:
        module = importlib.import_module(_module_name(path))
    except Exception as error:
        raise ModelError(f"The zoo model {name!r} failed: {_where(error, path)}") from error
    return _read(module, name, path, function)


def zoo_names() -> list[str]:
    """Names of the zoo's models, sorted; nothing of the zoo but its package is imported."""
    return sorted(_zoo_files())


def zoo_descriptions() -> dict[str, str]:
    """First docstring line of every zoo model, read from the text without importing it."""
    return {
        name: _first_line(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))
        for name, path in sorted(_zoo_files().items())
    }


def zoo_learned() -> list[str]:
    """Names of the zoo's models with parameters to learn from data, by `fit`: those of a class.

    The others are priors and likelihoods, for `infer`. Read from the text, as descriptions are.
    """
    return [
        name
        for name, path in sorted(_zoo_files().items())
        if any(
            isinstance(node, ast.ClassDef) and is_class_of_file(node.name, name)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
        )
    ]


def _zoo_files() -> dict[str, Path]:
    try:
        package = importlib.import_module(_ZOO)
    except ModuleNotFoundError as error:
        raise ModelError(
            "The zoo of models is not installed. Install the project, for instance with "
            "`pip install -e .` in a checkout, or name a model file (path.py)."
        ) from error
    return {path.stem: path for folder in package.__path__ for path in _files(Path(folder))}


def _files(folder: Path) -> Iterator[Path]:
    """Model files of a folder and of the packages in it."""
    for module in pkgutil.iter_modules([str(folder)]):
        if module.ispkg:
            yield from _files(folder / module.name)
        elif not module.name.startswith("_"):
            yield folder / f"{module.name}.py"


def _module_name(path: Path) -> str:
    """The name by which a file of the zoo is imported: probgen.models.gan.bigan of bigan.py."""
    package = importlib.import_module(_ZOO)
    root = next(Path(p) for p in package.__path__ if path.is_relative_to(p))
    return ".".join([_ZOO, *path.relative_to(root).with_suffix("").parts])


def _unknown(name: str, known: list[str]) -> str:
    from probgen.declare.networks.bundled import bundled_names

    close = difflib.get_close_matches(name, [*known, *bundled_names()], n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    if Path(f"{name}.py").is_file():
        hint = f" There is a file of that name: say {name}.py."
    return (
        f"No zoo model is called {name!r}.{hint} `probgen list` shows all "
        f"{len(known)} models; a model of your own is named by its file, path.py."
    )


def _split(spec: str) -> tuple[str, str | None]:
    head, colon, tail = spec.rpartition(":")
    if colon and tail.isidentifier() and (head.endswith(".py") or head.isidentifier()):
        return head, tail
    return spec, None


def _load_path(path: Path, function: str | None) -> ModelFile:
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        there = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, there, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise ModelError(f"The model file {path} {what}.{hint}")
    path = path.resolve()
    # The digest keeps two files of one name apart; the stem stays readable in tracebacks.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"probgen_model_{path.stem}_{digest}", path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} cannot be imported as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        with _neighbours_importable(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise ModelError(f"The model file {path} failed: {_where(error, path)}") from error
    return _read(module, path.stem, path, function)


@contextmanager
def _neighbours_importable(folder: Path) -> Iterator[None]:
    """Files beside the model file can be imported by it, as when it is run as a script."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _read(module: ModuleType, name: str, path: Path, function: str | None) -> ModelFile:
    program = find_program(module, path.stem, function)
    return ModelFile(
        name=name,
        program=program,
        description=_first_line(module.__doc__) or _first_line(inspect.getdoc(program)),
        path=path,
        data_source=getattr(module, "data", None),
        method=getattr(module, "method", None),
        reference=getattr(module, "reference", None),
    )


def _first_line(docstring: str | None) -> str:
    return docstring.strip().splitlines()[0] if docstring and docstring.strip() else ""


def _kind(value: Any) -> str:
    return (
        "a mapping with keys that are no text"
        if isinstance(value, Mapping)
        else (f"{type(value).__name__}")
    )


def _where(error: BaseException, path: Path) -> str:
    """What went wrong, and the last line of `path` that took part in it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{text} [{error.filename}, line {error.lineno}]"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    return f"{text} [{path.name}, line {lines[-1]}]" if lines else text
