"""`probgen list`: the models that come with probgen."""

from probgen.cli.options import Traceback
from probgen.cli.terminal import console, reported


@reported
def list_zoo(traceback: Traceback = False) -> None:
    """List the models of the zoo, one line each."""
    from rich.table import Table
    from rich.text import Text

    from probgen.declare.modelfile import zoo_descriptions, zoo_learned
    from probgen.declare.networks.bundled import bundled_names

    descriptions, learned = zoo_descriptions(), zoo_learned()
    inferred = [name for name in descriptions if name not in learned]
    for heading, names in (("To infer (run, compare)", inferred), ("To learn (fit)", learned)):
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, min_width=max(map(len, descriptions)))
        for name in names:
            grid.add_row(Text(name, style="bold cyan"), Text(descriptions[name]))
        console().print(heading, style="dim", highlight=False)
        console().print(grid)
    networks = ", ".join(bundled_names())
    console().print(f"\nNetworks that come with pgmpy: {networks}", highlight=False)
    said = (
        "Run one: probgen run NAME      Learn one: probgen fit NAME      Look: probgen show NAME"
    )
    console().print(f"\n{said}", style="dim")
