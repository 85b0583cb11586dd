"""Telling declarations apart: a program, network or machine made ready to be sampled.

Pyro programs go to `infer_program`, discrete networks to `infer_network`, Boltzmann machines to
`infer_machine`; a pgmpy network of continuous variables becomes a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from probgen.declare.network import Network
from probgen.declare.networks.kinds import is_continuous, slices_of
from probgen.declare.networks.recognise import is_network
from probgen.errors import OptionError
from probgen.inference.arguments import check_choices
from probgen.inference.boltzmann.recognise import is_machine
from probgen.inference.options import NetworkOptions, ProgramOptions

if TYPE_CHECKING:
    from probgen.inference.infer_machine import MachineOptions
    from probgen.inference.prepared import PreparedRun

__all__ = ["machine_options", "prepare", "read_model"]

_COUNTS = {"chains": 4, "draws": 1000, "warmup": 1000}  # of programs, where the method has none


def read_model(model: Any, data: Mapping[Any, Any] | None) -> tuple[Any, Mapping[Any, Any]]:
    """A network and its evidence as a `Network`, or, of continuous variables, as a program.

    Raises `ModelError` or `DataError` for a model or data that cannot be read.
    """
    data = {} if data is None else data
    if isinstance(model, Network):
        return model, data
    if is_continuous(model):
        from probgen.declare.networks.continuous import continuous_program

        return continuous_program(model, data)
    from probgen.declare.networks.pgmpy_models import read_network

    return read_network(model, slices=slices_of(model, data)), data


def prepare(
    model: Any,
    method: Any,
    data: Mapping[Any, Any] | None,
    common: Mapping[str, Any],
    only_programs: Mapping[str, Any],
    labels: Mapping[str, Mapping[str, Any]],
    hidden: bool | None = None,
    derived: bool | None = True,
) -> tuple[PreparedRun, Any, Mapping[Any, Any] | None]:
    """The run that is ready to be sampled, and the model and data as they were read.

    `common` are the options that networks take, too, `only_programs` and `labels` (dims and
    coords) the others, `hidden` is of machines, `derived` of programs (see `ProgramOptions`);
    counts that are None are what the method declares. Raises what `infer` raises.
    """
    if is_machine(model):
        from probgen.inference.infer_machine import prepare_machine
        from probgen.results.tree import Labels

        asked = machine_options(common, only_programs, hidden)
        return prepare_machine(model, method, data, asked, Labels(**labels)), model, data
    kind = "a Pyro program"
    if is_network(model):
        kind = "a network of continuous variables"
        model, data = read_model(model, data)
    if isinstance(model, Network):
        from probgen.inference.infer_network import prepare_network

        _refuse({**only_programs, **labels})
        return prepare_network(model, method, data, NetworkOptions(**common)), model, data
    from probgen.inference.infer_program import prepare_program
    from probgen.inference.nuts import NUTS
    from probgen.results.tree import Labels

    method = NUTS() if method is None else method
    check_choices(backend=only_programs["backend"], precision=only_programs["precision"])
    if "density" not in getattr(method, "serves", ("density",)):
        raise OptionError(
            f"{method.name} works on discrete networks, and this is {kind}. Use NUTS() or HMC(), "
            "or declare the model as a discrete pgmpy network."
        )
    usual = {**_COUNTS, **getattr(method, "defaults", {})}
    counts = {n: usual[n] if common[n] is None else common[n] for n in _COUNTS}
    options = ProgramOptions(**{**common, **counts, **only_programs}, derived=derived)
    return prepare_program(model, method, data, options, Labels(**labels)), model, data


def machine_options(
    common: Mapping[str, Any], only_programs: Mapping[str, Any], hidden: bool | None
) -> MachineOptions:
    """The options of a run on a Boltzmann machine."""
    from probgen.inference.infer_machine import MachineOptions

    of_density = {n: v for n, v in only_programs.items() if n != "log_likelihood"}
    return MachineOptions(**common, hidden=hidden, of_density=of_density)


def _refuse(given: Mapping[str, Any]) -> None:
    """Raise `OptionError` for an option of programs that is not as it is when left out."""
    usual = {field.name: field.default for field in fields(ProgramOptions)}
    for name, value in given.items():
        plain = isinstance(value, (str, int, dict)) or value is None  # trees compare by element
        if not (plain and value == usual.get(name, {})):
            raise OptionError(f"{name}= is for Pyro programs; a network has no use for it.")
