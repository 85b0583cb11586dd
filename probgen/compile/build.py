"""C++ text to a loaded shared library: find a compiler, choose flags, cache by content.

The cache is a directory private to the user (mode 0700). A cached library is loaded only when
it belongs to the user and its SHA-256 equals the one recorded when it was built; anything else
(truncated, tampered with, planted by somebody) is built anew. `PROBGEN_CXX` names the compiler,
`PROBGEN_CACHE` the directory, and `PROBGEN_CXX=none` stands for a machine without a compiler.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import platformdirs

from probgen.errors import BuildError

__all__ = ["Compiler", "build", "cache_directory", "find_compiler"]

# Fast math without giving up inf and NaN: a divergent trajectory must be seen as such.
# __FAST_MATH__ only opens glibc's vector declarations of exp, log, ... (libmvec).
_BASE_FLAGS = ("-std=c++17", "-fPIC", "-shared", "-fvisibility=hidden")
# GCC 12 makes wrong vector code of some short nested loops. "bold" is for code that is compared
# with a reference after it was built, "cautious" for generated code that is not, or that was
# found to be wrong; "normal" for code written by hand.
_EFFORTS = {
    "bold": ("-O3",),
    "normal": ("-O3", "-fno-tree-slp-vectorize"),
    "cautious": ("-O1", "-ftree-loop-vectorize", "-fno-tree-slp-vectorize"),
    "hasty": ("-O0",),
}
# A long function is a program whose steps do not repeat (`roll` makes loops of those that do).
# On it -O3 takes minutes for nothing, since its loops are short, and in the end -O1 does too.
_LONG, _VERY_LONG = 100_000, 600_000  # characters
_MATH_FLAGS = (
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
    "-fassociative-math",
    "-freciprocal-math",
)

_INSTALL_HINT = (
    "Install one (Debian/Ubuntu: apt-get install g++, macOS: xcode-select --install) "
    "or `pip install 'probgen[compiler]'`; PROBGEN_CXX names another."
)


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: the command to call, its version line, and the flags for this machine."""

    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]
    libraries: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """What a cached library depends on besides its source."""
        return "\n".join((*self.command, self.version, *self.flags, *self.libraries, _cpu()))


def build(source: str, name: str = "probgen", effort: str = "normal") -> ctypes.CDLL:
    """Compile C++ `source` into a shared library, or load it from the cache.

    `effort` is how hard the compiler optimises: "bold" (the caller compares the results with a
    reference), "normal" or "cautious". Raises `BuildError` when there is no compiler or it
    fails; the message carries the compiler's own words.
    """
    compiler = find_compiler()
    if effort != "normal" and len(source) > _LONG:  # code written by hand has short functions
        effort = "hasty" if len(source) > _VERY_LONG else "cautious"
    level = _EFFORTS[effort]
    text = "\n".join((compiler.fingerprint, *level, source))
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    with _lock:
        if key in _loaded:
            return _loaded[key]
    directory = cache_directory()
    library = directory / f"{name}-{key}.so"
    if not _trusted(library):
        _compile(compiler, level, source, library)
    loaded = ctypes.CDLL(str(library))
    with _lock:
        return _loaded.setdefault(key, loaded)


def find_compiler() -> Compiler:
    """The C++ compiler to use; raises `BuildError` with the cure when there is none."""
    return _find_compiler(os.environ.get("PROBGEN_CXX"), os.environ.get("CXX"))


def cache_directory() -> Path:
    """The user's private cache directory, made on first use.

    Falls back, with a warning, to a directory that lives as long as this process when the
    usual place cannot be written or belongs to somebody else.
    """
    return _cache_directory(os.environ.get("PROBGEN_CACHE"))


_lock = threading.Lock()
_loaded: dict[str, ctypes.CDLL] = {}


@lru_cache(maxsize=8)
def _find_compiler(chosen: str | None, from_environment: str | None) -> Compiler:
    if chosen == "none":
        raise BuildError("No C++ compiler: PROBGEN_CXX=none switches native code off.")
    if chosen:
        return _probe(tuple(chosen.split()))
    candidates = [tuple(from_environment.split())] if from_environment else []
    candidates += [("c++",), ("g++",), ("clang++",)]
    for command in candidates:
        if shutil.which(command[0]):
            return _probe(command)
    if importlib.util.find_spec("ziglang"):
        return _probe((sys.executable, "-m", "ziglang", "c++"))
    raise BuildError(f"No C++ compiler was found. {_INSTALL_HINT}")


def _probe(command: tuple[str, ...]) -> Compiler:
    try:
        answer = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            f"The C++ compiler {' '.join(command)!r} cannot be run: {error}. {_INSTALL_HINT}"
        ) from error
    lines = answer.stdout.strip().splitlines()
    version = lines[0] if lines else "unknown"
    gnu = "clang" not in answer.stdout.lower() and "zig" not in " ".join(command)
    glibc = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
    flags = [*_BASE_FLAGS, *_MATH_FLAGS, "-march=native"]
    libraries = []
    if gnu and glibc and platform.machine() in ("x86_64", "AMD64"):
        flags += ["-D__FAST_MATH__", "-mprefer-vector-width=512"]
        libraries = ["-lmvec", "-lm"]
    return Compiler(command, version, tuple(flags), tuple(libraries))


@lru_cache(maxsize=1)
def _cpu() -> str:
    """What -march=native depends on, so that a shared home directory is safe."""
    text = platform.machine() + platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "flags")):
                text += line
            if not line:
                break
    except OSError:
        pass
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=8)
def _cache_directory(chosen: str | None) -> Path:
    directory = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("probgen"))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            raise PermissionError("it belongs to another user")
        if stat.S_IMODE(status.st_mode) & 0o077:
            directory.chmod(0o700)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        fallback = Path(tempfile.mkdtemp(prefix="probgen-cache-"))
        atexit.register(shutil.rmtree, fallback, ignore_errors=True)
        warnings.warn(
            f"The compile cache {directory} cannot be used ({error}); compiled code is kept in "
            f"{fallback} for this process only. Set PROBGEN_CACHE to a writable directory of "
            "your own.",
            stacklevel=2,
        )
        return fallback
    return directory


def _digest_file(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _trusted(library: Path) -> bool:
    """Whether a cached library is ours and is byte for byte what the compiler wrote."""
    try:
        for path in (library, _digest_file(library)):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                return False
            if hasattr(os, "getuid") and status.st_uid != os.getuid():
                return False
            if stat.S_IMODE(status.st_mode) & 0o022:
                return False
        recorded = _digest_file(library).read_bytes().strip()
        return recorded == hashlib.sha256(library.read_bytes()).hexdigest().encode()
    except OSError:
        return False


def _compile(compiler: Compiler, level: tuple[str, ...], source: str, library: Path) -> None:
    """Build in a scratch directory and move into place, so that no reader sees half a file."""
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="build-") as scratch:
        text = Path(scratch) / "source.cpp"
        text.write_text(source)
        output = Path(scratch) / "library.so"
        command = [
            *compiler.command,
            *level,
            *compiler.flags,
            str(text),
            "-o",
            str(output),
            *compiler.libraries,
        ]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildError(f"The C++ compiler {command[0]!r} did not finish: {error}") from error
        if run.returncode != 0 or not output.exists():
            words = run.stderr.replace(scratch + os.sep, "").strip()[:2000] or "it said nothing"
            raise BuildError(
                f"The C++ compiler {command[0]!r} failed (exit status {run.returncode}): {words}"
            )
        output.chmod(0o700)
        digest = Path(scratch) / "digest"
        digest.write_text(hashlib.sha256(output.read_bytes()).hexdigest())
        digest.chmod(0o600)
        os.replace(output, library)
        os.replace(digest, _digest_file(library))
