"""`probgen show`: the sites, plates and dependencies of a model, and how it would be run."""

import re
import warnings
from typing import Annotated, Any

import typer

from probgen.cli.arguments import given_data, writable
from probgen.cli.options import Data, Model, Traceback
from probgen.cli.run import PICTURE_ENDINGS
from probgen.cli.shownetwork import show_network
from probgen.cli.terminal import console, reported

SUPPORTS = {
    "GreaterThanEq": ">= {}",
    "GreaterThan": "> {}",
    "LessThan": "< {}",
    "HalfOpenInterval": "[{}, {})",
    "Interval": "[{}, {}]",
    "IntegerInterval": "integer, {} .. {}",
    "IntegerGreaterThan": "integer >= {}",
}
LONG_SERIES = 8  # numbered sites of one name, from which on the middle is left out
BACKENDS = {
    "native": "C++ compiled for this machine",
    "torch": "the traced graph, evaluated by torch",
    "eager": "the program itself, run at every evaluation",
    "callable": "a function of numpy arrays",
}
LANGUAGES = {"native": "C++", "torch": "Python"}
KIND_STYLE = {"latent": "bold", "observed": "green", "deterministic": "dim", "factor": "magenta"}


@reported
def show(
    model: Model,
    data: Data = None,
    compile_it: Annotated[
        bool,
        typer.Option("--compile", help="Compile the density; say which backend serves, and why."),
    ] = False,
    source: Annotated[
        bool, typer.Option("--source", help="With --compile: print what was generated, too.")
    ] = False,
    graph: Annotated[
        str | None,
        typer.Option(metavar="FILE.png", help="Draw the graph of the sites.", show_default=False),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Show the sites of MODEL, or the variables of a network, and what each depends on."""
    graph_path = writable(graph, "--graph", PICTURE_ENDINGS)
    import probgen as pg
    from probgen.declare.checks.discrete import discrete_remarks

    loaded = pg.load_model(model)
    arguments = given_data(loaded, data)
    program = pg.describe(loaded.program, arguments)
    out = console()
    out.print(f"[bold cyan]{loaded.name}[/]  {escaped(loaded.description)}")
    out.print(str(loaded.path), style="dim", markup=False, highlight=False, soft_wrap=True)
    if isinstance(program, pg.Network):
        show_network(program, arguments, graph_path, out)
        return
    dependencies = pg.graph(program)
    dependencies.graph["title"] = loaded.name
    out.print(site_table(program, dependencies))
    hidden = [f"{a} -> {b}" for a, b, how in dependencies.edges(data="how") if how == "numeric"]
    if hidden:
        text = f"No gradient flows along {', '.join(hidden)}: broken by .item(), if or the like."
        out.print(text, style="yellow", markup=False, highlight=False)
    out.print(sizes_line(program), markup=False, highlight=False)
    for remark in discrete_remarks(program):
        out.print(remark, markup=False, highlight=False)
    if compile_it or source:
        show_compiled(loaded.program, arguments, source, out)
    if graph_path is not None:
        pg.draw(dependencies, graph_path)
        out.print(f"Graph: {graph_path}", markup=False, soft_wrap=True)


def escaped(text: str) -> str:
    """Text in which brackets are not taken for markup."""
    from rich.markup import escape

    return escape(text)


def site_table(program: Any, dependencies: Any) -> Any:
    """Table of the sites in program order."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("site", "kind", "distribution", "support", "shape", "plates", "given"):
        wraps = heading in ("support", "given")
        table.add_column(heading, overflow="fold", no_wrap=not wraps)
    folded = folded_sites(program.sites)
    for name, site in program.sites.items():
        if name in folded:
            if folded[name]:
                table.add_row(Text(f"... {folded[name]} more like {name}", style="dim"))
            continue
        given = sorted(dependencies.predecessors(name))
        cells = (
            "summed out" if site.kind == "latent" and site.discrete else site.kind,
            "" if site.kind == "deterministic" else site.distribution,
            support_words(site.support),
            " x ".join(map(str, site.shape)) or "scalar",
            ", ".join(plate for plate in site.plates if plate),
            ", ".join(given),
        )
        table.add_row(Text(name, style=KIND_STYLE.get(site.kind, "")), *map(Text, cells))
    return table


def folded_sites(names: Any) -> dict[str, int]:
    """Sites of long numbered series that need no row, and how many more the first stands for.

    Of `x_0`, `x_1`, ... the first two and the last are shown.
    """
    series: dict[str, list[str]] = {}
    for name in names:
        if match := re.fullmatch(r"(.*\D)(\d+)", name):
            series.setdefault(match[1], []).append(name)
    folded: dict[str, int] = {}
    for members in series.values():
        if len(members) >= LONG_SERIES:
            inner = members[2:-1]
            folded |= dict.fromkeys(inner, 0) | {inner[0]: len(inner)}
    return folded


def support_words(support: str) -> str:
    """A support as a reader writes it: "> 0" for GreaterThan(lower_bound=0.0)."""
    support = re.sub(r"^IndependentConstraint\((.*), \d+\)$", r"\1", support)
    numbers = [f"{float(n):g}" for n in re.findall(r"_bound=(-?[\d.e+-]+|-?inf)", support)]
    for name, form in SUPPORTS.items():
        if support.startswith(f"{name}(") and len(numbers) == form.count("{}"):
            return form.format(*numbers)
    plain = re.sub(r"\(.*\)$", "", support)
    return {"Real": "real", "Boolean": "0 or 1"}.get(plain, plain)


def sizes_line(program: Any) -> str:
    """Plates with their sizes, and the dimension of the posterior."""
    plates = ", ".join(f"{plate.name} ({plate.size})" for plate in program.plates.values())
    dimension = sum(size_of(site.unconstrained_shape) for site in program.latents)
    line = (
        f"{dimension} unconstrained dimensions" if dimension != 1 else "1 unconstrained dimension"
    )
    return f"Plates: {plates}. {line}." if plates else f"No plates. {line}."


def size_of(shape: tuple[int, ...]) -> int:
    """Number of scalars in a shape."""
    size = 1
    for length in shape:
        size *= length
    return size


def show_compiled(program: Any, arguments: dict[str, Any], source: bool, out: Any) -> None:
    """Which backend serves the density, at which cost, and why it is not the compiled one."""
    from probgen.targets.reuse import density_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is printed below
        density, _ = density_of(program, arguments)
    for line in backend_lines(density):
        out.print(line, markup=False, highlight=False)
    if source and density.source:
        out.print(density.source, markup=False, highlight=False, soft_wrap=True)
    elif source:
        out.print("There is no generated source.", style="dim")


def backend_lines(density: Any) -> list[str]:
    """The backend in words: what it is, how much was traced and generated, how long it took."""
    lines = [f"Backend: {density.backend} ({BACKENDS[density.backend]})."]
    if density.operations:
        lines.append(
            f"Traced: {density.operations} operations in {density.seconds_trace:.2f} s; "
            f"{len(density.source) / 1000:.0f} kB of {LANGUAGES.get(density.backend, 'code')}, "
            f"ready after {density.seconds_compile:.2f} s."
        )
    if density.reason:
        lines.append(f"Why not native: {density.reason}.")
    return lines
