"""`probgen list`: the models that come with probgen."""

from probgen.cli.options import Traceback
from probgen.cli.terminal import console, reported


@reported
def list_zoo(traceback: Traceback = False) -> None:
    """List the models of the zoo, one line each."""
    from rich.table import Table
    from rich.text import Text

    from probgen.declare.modelfile import zoo_descriptions
    from probgen.declare.networks.bundled import bundled_names

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    for name, description in zoo_descriptions().items():
        grid.add_row(Text(name, style="bold cyan"), Text(description))
    console().print(grid)
    names = ", ".join(bundled_names())
    console().print(f"\nNetworks that come with pgmpy: {names}", highlight=False)
    console().print("\nRun one: probgen run NAME      Look at one: probgen show NAME", style="dim")
