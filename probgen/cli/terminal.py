"""What the commands share: consoles, exit codes, and errors printed without a traceback."""

import functools
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

TRUSTWORTHY, ERROR, NOT_TRUSTWORTHY, INTERRUPTED = 0, 1, 3, 130
PLAIN_WIDTH = 100  # columns when the output is no terminal (a pipe, a log file)


def console(errors: bool = False) -> "Console":
    """A console on standard output, or on standard error."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PLAIN_WIDTH)


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Run a command so that errors become one message and exit code 1, Ctrl-C exit code 130.

    The command has a `traceback` option; with it, errors go through.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = show_warning
                command(*args, **kwargs)
        except KeyboardInterrupt:
            console(errors=True).print("Interrupted.", style="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            # typer's own exceptions (Exit, BadParameter) are answers, not errors
            if kwargs.get("traceback") or type(error).__module__.partition(".")[0] == "typer":
                raise
            print_error(error)
            raise typer.Exit(ERROR) from None

    return wrapped


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our own warnings as plain notes on standard error, foreign ones as Python writes them."""
    if category.__module__.partition(".")[0] == "probgen":
        console(errors=True).print(f"Note: {message}", style="yellow", markup=False)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


def print_error(error: Exception) -> None:
    """One message: ours as it stands, a foreign one with its type and where to look."""
    from rich.text import Text

    from probgen.errors import ProbgenError

    text = Text.assemble(("Error: ", "bold red"), str(error) or type(error).__name__)
    if not isinstance(error, ProbgenError):
        text = Text.assemble(
            ("Error: ", "bold red"),
            f"{type(error).__name__}: {error}\n",
            (
                "`probgen check MODEL` may name the site; --traceback shows where it came from.",
                "dim",
            ),
        )
    console(errors=True).print(text)
