"""Who may import whom: arrows between the rooms of the package point down only."""

import ast
from pathlib import Path

import probgen

ROOT = Path(probgen.__file__).parent
FLOORS = (
    {"cli"},
    {"api"},
    {"studies"},
    {"diagnose"},
    {"inference"},
    {"learn"},
    {"targets"},
    {"declare"},
    {"nets"},
    {"compile", "results", "progress"},
    {"errors"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ONLY = {"diagnose": {"results", "errors"}, "results": {"errors"}}


def imports_in(source):
    """Rooms that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "probgen":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("probgen."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (name[1] for name in names if name[0] == "probgen" and len(name) > 1)


def arrows_up(sources):
    """(file, room) for every import of a room that stands above, or that is not to be known."""
    return [
        (path, room)
        for path, source in sources
        for here in [Path(path).parts[0].removesuffix(".py")]
        for room in imports_in(source)
        if here != room and (is_above(room, here) or room not in ONLY.get(here, {room}))
    ]


def is_above(room, here):
    return FLOOR.get(room, len(FLOORS)) < FLOOR[here]


def test_arrows_point_down():
    files = [file for file in ROOT.rglob("*.py") if file.parent != ROOT or file.stem in FLOOR]
    assert len(files) > 100
    sources = [(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")) for file in files]
    assert arrows_up(sources) == []


def test_the_check_sees_an_arrow_that_points_up():
    late = "def f():\n    from probgen.api import infer\n"
    assert arrows_up([("studies/compare/run.py", late)]) == [("studies/compare/run.py", "api")]
    assert arrows_up([("diagnose/a.py", "import probgen.targets.density")])
    assert arrows_up([("results/a.py", "from probgen import infer")])
    assert not arrows_up([("api.py", "from probgen.studies.conform import conform")])
