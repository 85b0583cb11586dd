"""`probgen diagnose`: the verdict on draws that were saved earlier, by whatever library."""

from typing import Annotated, Any

import typer

from probgen.cli.arguments import writable
from probgen.cli.options import Picture, Quiet, Traceback
from probgen.cli.run import PICTURE_ENDINGS, report
from probgen.cli.terminal import reported


@reported
def diagnose(
    file: Annotated[
        str, typer.Argument(metavar="FILE.nc", help="NetCDF file with a posterior group.")
    ],
    picture: Picture = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Diagnose saved draws (of probgen, PyMC, nutpie ...). Exit code 3: not to be trusted."""
    picture_path = writable(picture, "--picture", PICTURE_ENDINGS)
    raise typer.Exit(report(read_tree(file), None, picture_path, quiet))


def read_tree(file: str) -> Any:
    """The DataTree in a file; DataError says what is wrong with it."""
    from pathlib import Path

    from probgen.errors import DataError

    path = Path(file).expanduser()
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is no NetCDF file with groups of draws ({error}).") from error
