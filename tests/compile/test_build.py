"""From C++ text to a loaded library: the compiler, the private cache, and what goes wrong."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from probgen.compile import build as build_module
from probgen.compile.build import build, cache_directory, find_compiler
from probgen.errors import BuildError

EXPORT = 'extern "C" __attribute__((visibility("default"))) '
POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX ownership")


def source(number: int = 7) -> str:
    return f"{EXPORT} int answer() {{ return {number}; }}\n"


def answer(library: ctypes.CDLL) -> int:
    return library.answer()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache directory, and no library loaded from another."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("PROBGEN_CACHE", str(directory))
    forget_loaded(monkeypatch)
    return directory


def forget_loaded(monkeypatch) -> None:
    """As a new process would see it."""
    monkeypatch.setattr(build_module, "_loaded", {})
    build_module._find_compiler.cache_clear()
    build_module._cache_directory.cache_clear()


@pytest.fixture
def counting(cache, tmp_path, monkeypatch) -> Path:
    """A compiler that writes a line to a file at every run; the file."""
    log, wrapper = tmp_path / "runs", tmp_path / "wrapper.sh"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec c++ "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PROBGEN_CXX", str(wrapper))
    forget_loaded(monkeypatch)
    return log


def compilations(log: Path) -> int:
    return sum("--version" not in line for line in log.read_text().splitlines())


def libraries(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.so"))


def replace(path: Path, content: bytes) -> None:
    """Write a file anew: the library that this process has loaded stays whole."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.chmod(0o700)
    fresh.replace(path)


# --- the compiler --------------------------------------------------------------------------


def test_builds_and_calls(cache):
    assert answer(build(source(), "answer")) == 7
    (library,) = libraries(cache)
    assert library.name.startswith("answer-")


def test_without_a_compiler_the_error_says_how_to_get_one(cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("PROBGEN_CXX", raising=False)
    monkeypatch.setattr(build_module.importlib.util, "find_spec", lambda name: None)
    forget_loaded(monkeypatch)
    with pytest.raises(BuildError, match=r"No C\+\+ compiler was found.*apt-get.*PROBGEN_CXX"):
        build(source())


def test_switched_off(cache, monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "none")
    with pytest.raises(BuildError, match="PROBGEN_CXX=none switches native code off"):
        build(source())


@pytest.mark.parametrize("command", ["/bin/false", "/no/such/compiler"])
def test_a_compiler_that_cannot_be_run_is_named(cache, monkeypatch, command):
    monkeypatch.setenv("PROBGEN_CXX", command)
    with pytest.raises(BuildError, match=r"cannot be run: .*PROBGEN_CXX") as raised:
        build(source())
    assert repr(command) in str(raised.value)


def test_a_compiler_that_fails_is_quoted(cache):
    with pytest.raises(BuildError, match=r"(?s)failed \(exit status 1\): source.cpp.*nonsense"):
        build(f"{EXPORT} int answer() {{ return nonsense; }}\n")
    assert libraries(cache) == []


def test_a_compiler_that_writes_nothing(cache, tmp_path, monkeypatch):
    silent = tmp_path / "silent.sh"
    silent.write_text("#!/bin/sh\necho silent 1.0\nexit 0\n")
    silent.chmod(0o755)
    monkeypatch.setenv("PROBGEN_CXX", str(silent))
    with pytest.raises(BuildError, match=r"exit status 0\): it said nothing"):
        build(source())


def test_the_environment_names_the_compiler(counting):
    build(source())
    assert compilations(counting) == 1
    assert find_compiler().command == (os.environ["PROBGEN_CXX"],)


def test_arguments_of_the_named_compiler(cache, monkeypatch):
    monkeypatch.setenv("PROBGEN_CXX", "c++ -DANSWER=11")
    forget_loaded(monkeypatch)
    assert answer(build(f"{EXPORT} int answer() {{ return ANSWER; }}\n")) == 11


@pytest.mark.parametrize("command", ["g++", "clang++", f"{sys.executable} -m ziglang c++"])
def test_other_compilers(cache, monkeypatch, command):
    module = command.split()[-2] if "-m" in command else None
    if (find_spec(module) is None) if module else (shutil.which(command) is None):
        pytest.skip(f"no {module or command} here")
    monkeypatch.setenv("PROBGEN_CXX", command)
    forget_loaded(monkeypatch)
    assert answer(build(source(12))) == 12


# --- the cache -----------------------------------------------------------------------------


def test_a_second_process_does_not_compile(counting, cache, monkeypatch):
    build(source())
    forget_loaded(monkeypatch)
    assert answer(build(source())) == 7
    assert compilations(counting) == 1


def test_other_text_or_other_effort_is_another_library(counting, cache):
    assert answer(build(source(1))) == 1
    assert answer(build(source(2))) == 2
    build(source(1), effort="cautious")
    assert compilations(counting) == 3
    assert len(libraries(cache)) == 3


def test_effort(counting):
    for number, effort in enumerate(("bold", "normal", "cautious")):
        build(source(number), effort=effort)
    build(source(3) + "//" + "-" * 200_000, effort="bold")
    build(source(4) + "//" + "-" * 700_000, effort="bold")
    runs = [line.split() for line in counting.read_text().splitlines() if "--version" not in line]
    assert ["-O3" in run for run in runs] == [True, True, False, False, False]
    assert ["-fno-tree-slp-vectorize" in run for run in runs] == [False, True, True, True, False]
    assert ["-O0" in run for run in runs] == [False, False, False, False, True]


@pytest.mark.parametrize(
    "damage",
    [
        lambda so, digest: replace(so, so.read_bytes()[:100]),
        lambda so, digest: replace(so, b""),
        lambda so, digest: replace(so, so.read_bytes().replace(b"GCC", b"XXX")),
        lambda so, digest: digest.write_text("0" * 64),
        lambda so, digest: digest.write_text(""),
        lambda so, digest: digest.unlink(),
        lambda so, digest: so.unlink(),
        lambda so, digest: digest.write_bytes(b"\xff\xfe"),
    ],
    ids=["truncated", "empty", "changed", "other digest", "no digest text", "no digest",
         "no library", "digest of bytes"],
)  # fmt: skip
def test_a_damaged_library_is_built_anew(counting, cache, monkeypatch, damage):
    build(source())
    (library,) = libraries(cache)
    damage(library, library.with_suffix(".sha256"))
    forget_loaded(monkeypatch)
    assert answer(build(source())) == 7
    assert compilations(counting) == 2
    forget_loaded(monkeypatch)
    build(source())
    assert compilations(counting) == 2


@POSIX
@pytest.mark.parametrize("suffix", [".so", ".sha256"])
@pytest.mark.parametrize("plant", ["symlink", "group-writable", "world-writable"])
def test_planted_files_are_not_loaded(counting, cache, tmp_path, monkeypatch, suffix, plant):
    build(source())
    (library,) = libraries(cache)
    path = library.with_suffix(suffix)
    if plant == "symlink":
        elsewhere = tmp_path / f"elsewhere{suffix}"
        shutil.move(path, elsewhere)
        path.symlink_to(elsewhere)
    else:
        path.chmod(path.stat().st_mode | (0o020 if plant == "group-writable" else 0o002))
    forget_loaded(monkeypatch)
    assert answer(build(source())) == 7
    assert compilations(counting) == 2
    assert not path.is_symlink()
    assert not path.stat().st_mode & 0o022


@POSIX
def test_files_of_another_user_are_not_loaded(counting, cache, monkeypatch):
    build(source())
    (library,) = libraries(cache)
    monkeypatch.setattr(build_module.os, "getuid", lambda: library.stat().st_uid + 1)
    assert not build_module._trusted(library)


@POSIX
def test_a_directory_of_another_user_is_not_used(cache, monkeypatch):
    cache.mkdir()
    monkeypatch.setattr(build_module.os, "getuid", lambda: cache.stat().st_uid + 1)
    with pytest.warns(UserWarning, match=r"belongs to another user.*PROBGEN_CACHE"):
        assert cache_directory() != cache


@POSIX
def test_the_directory_is_private(cache, monkeypatch):
    build(source())
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    cache.chmod(0o777)
    forget_loaded(monkeypatch)
    assert stat.S_IMODE(cache_directory().stat().st_mode) == 0o700


def test_a_cache_that_cannot_be_written_is_said_and_done_without(tmp_path, monkeypatch):
    occupied = tmp_path / "file"
    occupied.write_text("not a directory")
    monkeypatch.setenv("PROBGEN_CACHE", str(occupied / "cache"))
    forget_loaded(monkeypatch)
    with pytest.warns(UserWarning, match=r"cannot be used.*this process only.*PROBGEN_CACHE"):
        assert answer(build(source(31))) == 31


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache(tmp_path, monkeypatch):
    directory = tmp_path / "read-only"
    directory.mkdir(mode=0o500)
    monkeypatch.setenv("PROBGEN_CACHE", str(directory))
    forget_loaded(monkeypatch)
    with pytest.warns(UserWarning, match="cannot be used"):
        assert answer(build(source(32))) == 32


def test_no_scratch_is_left_behind(cache):
    build(source())
    with pytest.raises(BuildError):
        build("nonsense")
    assert {path.suffix for path in cache.iterdir()} == {".so", ".sha256"}


def test_the_temporary_cache_goes_with_the_process(tmp_path):
    program = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from probgen.compile.build import build, cache_directory\n"
        f"build({source()!r})\nprint(cache_directory())\n"
    )
    environment = {**os.environ, "PROBGEN_CACHE": "/proc/nowhere", "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    fallback = Path(run.stdout.strip())
    assert fallback.parent == tmp_path, run.stderr
    assert not fallback.exists()


# --- at the same time ----------------------------------------------------------------------


def test_threads_build_the_same_library(cache):
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda number: build(source(number % 2)), range(8)))
    assert [answer(library) for library in built] == [0, 1] * 4
    assert len(libraries(cache)) == 2


def test_processes_build_the_same_library(cache):
    program = f"from probgen.compile.build import build\nprint(build({source(3)!r}).answer())"
    runs = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate()[0].strip() for run in runs] == ["3", "3"]
    (library,) = libraries(cache)
    assert build_module._trusted(library)


# --- inference without a compiler ------------------------------------------------------------


def test_infer_works_without_a_compiler_and_says_so(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import warnings\n"
        "import pyro, pyro.distributions as dist, torch\n"
        "import probgen as pg\n"
        "def model(y):\n"
        "    loc = pyro.sample('loc', dist.Normal(0.0, 1.0))\n"
        "    with pyro.plate('n', len(y)):\n"
        "        pyro.sample('y', dist.Normal(loc, 1.0), obs=y)\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n"
        "    tree = pg.infer(model, data={'y': [0.5, 1.5]}, chains=2, draws=50, warmup=50,\n"
        "                    seed=1, progress=False)\n"
        "kinds = [w.category.__name__ for w in said]\n"
        "print(kinds.count('EagerDensityWarning'), tree.attrs['backend'],\n"
        "      abs(float(tree.posterior['loc'].mean()) - 2 / 3) < 0.5)\n"
        "print(tree.attrs['backend_reason'])\n"
    )
    environment = {**os.environ, "PROBGEN_CXX": "none"}
    run = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True
    )
    first, second = run.stdout.splitlines()[:2] if run.stdout else ("", run.stderr)
    assert first == "0 torch True", run.stdout + run.stderr
    assert "PROBGEN_CXX=none switches native code off" in second
