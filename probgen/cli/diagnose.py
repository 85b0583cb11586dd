"""`probgen diagnose`: the verdict on draws that were saved earlier, by whatever library."""

from typing import Annotated, Any

import typer

from probgen.cli.arguments import writable
from probgen.cli.options import Picture, Quiet, Traceback
from probgen.cli.run import PICTURE_ENDINGS, report
from probgen.cli.terminal import reported


@reported
def diagnose(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="A store (--store), NetCDF file or Zarr directory with a posterior group, or "
            "the CSV files of CmdStan's chains.",
        ),
    ],
    picture: Picture = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Diagnose saved draws (of probgen, PyMC, Stan ...). Exit code 3: not to be trusted."""
    picture_path = writable(picture, "--picture", PICTURE_ENDINGS)
    raise typer.Exit(report(read_tree(files), None, picture_path, quiet))


def read_tree(files: list[str]) -> Any:
    """The DataTree in files; DataError says what is wrong with them."""
    from probgen.diagnose.reading import read_files

    return read_files(files)
