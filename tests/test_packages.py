"""What is in the repository is in the wheel: packages and the files that they read."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def package_of(file):
    return ".".join(file.parent.relative_to(ROOT).parts)


def test_every_package_is_listed():
    found = {package_of(file) for file in (ROOT / "probgen").rglob("__init__.py")}
    zoo = {package_of(file): file.parent for file in (ROOT / "models").rglob("__init__.py")}
    zoo = {f"probgen.{package}": str(home.relative_to(ROOT)) for package, home in zoo.items()}
    assert zoo == SETTINGS["package-dir"]
    assert found | set(zoo) == set(SETTINGS["packages"])


def test_files_that_are_not_python_are_listed():
    files = [file for file in (ROOT / "probgen").rglob("*") if file.is_file()]
    files = [file for file in files if file.suffix not in (".py", ".pyc", ".md")]
    assert len(files) > 50
    listed = SETTINGS["package-data"]
    packed = {
        found
        for package, patterns in listed.items()
        for pattern in patterns
        for found in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    assert [str(file) for file in files if file not in packed] == []
