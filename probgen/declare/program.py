"""Reading a Pyro program: run it once, note its sites and plates, evaluate it anywhere.

A program is anything Pyro can trace. `read_program` runs it once with its data and returns a
`Program`: the sites in order, their supports, plates and shapes, and `evaluate`, which maps
unconstrained values of the latent sites to everything inference needs (log density with the
Jacobians of the transforms, constrained values, log probabilities per site). The support of a
site is asked anew at each run, so that bounds may depend on other sites.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch.distributions import biject_to, constraints

from probgen.declare.data import as_tensors, check_names
from probgen.declare.environment import FixParameters, double_precision, isolated, tracing
from probgen.errors import ModelError

__all__ = ["Evaluation", "Plate", "Program", "Site", "read_program"]


@dataclass(frozen=True)
class Plate:
    """A vectorised plate: its name and how many elements it has."""

    name: str
    size: int


@dataclass(frozen=True)
class Site:
    """One named statement of a program.

    `kind` is "latent", "observed", "deterministic" or "factor"; `shape` is the full shape of
    the value, whose last `event_dim` dimensions belong to one event; `plates` names the plate
    of each batch dimension (None where there is none); `unconstrained_shape` is the shape of
    the value after the transform to the real line (latent sites only).
    """

    name: str
    kind: str
    distribution: str
    support: str
    shape: tuple[int, ...]
    event_dim: int
    plates: tuple[str | None, ...]
    unconstrained_shape: tuple[int, ...] = ()
    discrete: bool = False


@dataclass
class Evaluation:
    """A program evaluated at one point: `log_density` in nats, and its parts."""

    log_density: torch.Tensor
    latent: dict[str, torch.Tensor]
    deterministic: dict[str, torch.Tensor]
    log_likelihood: dict[str, torch.Tensor]
    log_prior: dict[str, torch.Tensor]


@dataclass
class Program:
    """A Pyro program with its data: sites, plates, and evaluation at unconstrained values."""

    model: Callable[..., Any]
    data: dict[str, Any]
    sites: dict[str, Site] = field(default_factory=dict)
    plates: dict[str, Plate] = field(default_factory=dict)
    observed: dict[str, torch.Tensor] = field(default_factory=dict)
    needs_widening: bool = False

    @property
    def name(self) -> str:
        """The program's name, for messages."""
        return getattr(self.model, "__name__", type(self.model).__name__)

    def of_kind(self, kind: str) -> list[Site]:
        """Sites of one kind, in the order of the program."""
        return [site for site in self.sites.values() if site.kind == kind]

    def evaluate(self, unconstrained: Mapping[str, torch.Tensor]) -> Evaluation:
        """Run the program at unconstrained values of its latent sites, in float64.

        The log density is with respect to the unconstrained values: the log absolute
        determinants of the transforms' Jacobians are in it, and in no site's `log_prior`.
        """
        with self.environment():
            return self.evaluate_inside(unconstrained)

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """What `evaluate_inside` needs around it; entered once where many calls follow."""
        with tracing(), double_precision(self.needs_widening), isolated():
            yield

    def evaluate_inside(self, unconstrained: Mapping[str, torch.Tensor]) -> Evaluation:
        """`evaluate` for a caller that has entered `environment` already."""
        placed = _PlaceUnconstrained(unconstrained)
        trace = self.trace_with(placed)
        trace.compute_log_prob()
        return _collect(trace, placed.log_jacobian)

    def unconstrain(
        self, values: Mapping[str, Any] | None = None, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """Unconstrained values of a run with latent sites at `values`, the rest from the prior.

        `values` are on the constrained scale and broadcast to the shape of their site. Raises
        `ModelError` naming a site without such a name, of another shape or outside its support.
        """
        given = dict(values or {})
        latent = {site.name for site in self.of_kind("latent")}
        unknown = sorted(set(given) - latent)
        if unknown:
            raise ModelError(
                f"The program {self.name!r} has no latent site named {unknown[0]!r}; "
                f"its latent sites are {', '.join(sorted(latent))}."
            )
        reader = _ReadUnconstrained(given)
        with tracing(), double_precision(self.needs_widening), isolated(seed):
            self.trace_with(reader)
        return reader.unconstrained

    def trace_with(self, handler: Messenger) -> Any:
        """A Pyro trace of the program under `handler`, inside `environment`."""
        with FixParameters(), _FloatObservations(), handler:
            return poutine.trace(self.model).get_trace(**self.data)


def read_program(
    model: Callable[..., Any], data: Mapping[str, Any] | None = None, seed: int = 0
) -> Program:
    """Run `model` once with `data`, latent sites drawn from the prior, and note its sites.

    Improper sites, which cannot be sampled, get a value from their support and shape. Raises
    `DataError` for names that do not fit the program's arguments and `ModelError` when the
    program is no Pyro program or fails to run.
    """
    if not callable(model):
        raise ModelError(
            f"The model must be a Pyro program (a callable), not {type(model).__name__}."
        )
    tensors = as_tensors(data)
    check_names(model, tensors)
    program = Program(model, tensors)
    with tracing(), double_precision() as precision, isolated(seed):
        trace = _first_run(program)
        program.needs_widening = precision.widened
    for name, message in trace.nodes.items():
        if is_statement(message):
            site = program.sites[name] = describe_site(name, message)
            if site.kind == "observed":
                program.observed[name] = message["value"].detach()
            for frame in message["cond_indep_stack"]:
                program.plates.setdefault(frame.name, Plate(frame.name, int(frame.size)))
    return program


def _first_run(program: Program) -> Any:
    try:
        return program.trace_with(PlacePrior())
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"The program {program.name!r} failed to run: {type(error).__name__}: {error}"
        ) from error


class PlacePrior(Messenger):
    """Draws latent sites from their prior; improper ones from their support and shape."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        try:
            msg["value"] = msg["fn"].sample()
        except NotImplementedError:
            transform = biject_to(msg["fn"].support)
            shape = transform.inverse_shape(msg["fn"].shape())
            msg["value"] = transform(torch.rand(shape) - 0.5)
        msg["done"] = True


class _ReadUnconstrained(PlacePrior):
    """Sets latent sites from given or prior values and notes them unconstrained."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.values = values
        self.unconstrained: dict[str, torch.Tensor] = {}

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        name = msg["name"]
        if name in self.values:
            msg["value"] = _given_value(name, self.values[name], msg["fn"])
            msg["done"] = True
        else:
            super()._pyro_sample(msg)
        self.unconstrained[name] = biject_to(msg["fn"].support).inv(msg["value"])


def _given_value(name: str, value: Any, distribution: Any) -> torch.Tensor:
    tensor = torch.as_tensor(value, dtype=torch.float64)
    try:
        tensor = tensor.expand(distribution.shape())
    except RuntimeError as error:
        raise ModelError(
            f"The value given for site {name!r} has shape {tuple(tensor.shape)}, the site has "
            f"shape {tuple(distribution.shape())}."
        ) from error
    if not bool(distribution.support.check(tensor).all()):
        raise ModelError(
            f"The value given for site {name!r} lies outside its support "
            f"{_support_label(distribution.support)}."
        )
    return tensor


class _PlaceUnconstrained(Messenger):
    """Sets latent sites from unconstrained values and sums the log Jacobians."""

    def __init__(self, unconstrained: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.unconstrained = unconstrained
        self.log_jacobian: list[torch.Tensor] = []

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            return
        if msg["name"] not in self.unconstrained:
            raise ModelError(
                f"Site {msg['name']!r} was not in the first run of the program: its set of "
                "sites changes from run to run. Make the control flow independent of random "
                "values."
            )
        value = self.unconstrained[msg["name"]]
        support = msg["fn"].support
        transform = biject_to(support)
        msg["value"] = transform(value)
        msg["done"] = True
        if support is not constraints.real and not _is_identity(transform):
            self.log_jacobian.append(
                transform.log_abs_det_jacobian(value, msg["value"]).sum()
            )


def _is_identity(transform: Any) -> bool:
    return isinstance(transform, torch.distributions.ComposeTransform) and not transform.parts


class _FloatObservations(Messenger):
    """Observed integers as float64: data from files are integers, log densities are not."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        value = msg["value"]
        if msg["is_observed"] and isinstance(value, torch.Tensor) and _is_integer(value):
            msg["value"] = value.to(torch.float64)


def _is_integer(value: torch.Tensor) -> bool:
    return not value.is_floating_point() and not value.is_complex()


def is_statement(message: dict[str, Any]) -> bool:
    """Whether a message of a trace is a sample statement (a plate's own message is not)."""
    return message["type"] == "sample" and type(message["fn"]).__name__ != "_Subsample"


def is_latent(msg: dict[str, Any]) -> bool:
    """Whether a sample message asks for the value of a latent site."""
    return (
        not msg["is_observed"]
        and not msg["done"]
        and type(msg["fn"]).__name__ != "_Subsample"
        and _as_delta(msg["fn"]) is None
    )


def _as_delta(distribution: Any) -> dist.Delta | None:
    """The Delta inside a distribution, if a site is a point in disguise."""
    while isinstance(distribution, (torch.distributions.Independent, dist.MaskedDistribution)):
        distribution = distribution.base_dist
    return distribution if isinstance(distribution, dist.Delta) else None


def site_kind(message: dict[str, Any]) -> str:
    """"latent", "observed", "deterministic" or "factor"."""
    if message["infer"].get("_deterministic") or _as_delta(message["fn"]) is not None:
        return "deterministic"
    if isinstance(message["fn"], dist.Unit):
        return "factor"
    return "observed" if message["is_observed"] else "latent"


def _collect(trace: Any, log_jacobian: list[torch.Tensor]) -> Evaluation:
    terms = list(log_jacobian)
    parts: dict[str, dict[str, torch.Tensor]] = {
        "latent": {}, "deterministic": {}, "observed": {}, "factor": {}
    }
    log_prior: dict[str, torch.Tensor] = {}
    for name, message in trace.nodes.items():
        if not is_statement(message):
            continue
        kind = site_kind(message)
        if kind != "deterministic" or not message["is_observed"]:
            terms.append(message["log_prob_sum"])
        if kind in ("observed", "factor"):
            parts[kind][name] = message["log_prob"]
        else:
            parts[kind][name] = message["value"]
        if kind == "latent":
            log_prior[name] = message["log_prob"]
    total = torch.zeros(()) if not terms else sum(terms[1:], start=terms[0])
    return Evaluation(
        torch.as_tensor(total), parts["latent"], parts["deterministic"], parts["observed"],
        log_prior,
    )


def describe_site(name: str, message: dict[str, Any]) -> Site:
    """The `Site` behind a message of a trace."""
    kind = site_kind(message)
    distribution = message["fn"]
    value = message["value"]
    shape = tuple(value.shape) if kind != "factor" else tuple(distribution.batch_shape)
    event_dim = 0 if kind == "factor" else len(distribution.event_shape)
    if kind == "deterministic":
        event_dim = 0
    batch_rank = len(shape) - event_dim
    plates: list[str | None] = [None] * batch_rank
    for frame in message["cond_indep_stack"]:
        if frame.dim is not None and -frame.dim <= batch_rank:
            plates[batch_rank + frame.dim] = frame.name
    support: Any = None
    unconstrained: tuple[int, ...] = ()
    discrete = False
    if kind in ("latent", "observed"):
        support = distribution.support
        discrete = bool(getattr(support, "is_discrete", False))
        if kind == "latent" and not discrete:
            unconstrained = tuple(biject_to(support).inverse_shape(torch.Size(shape)))
    return Site(
        name, kind, _label(distribution), "" if support is None else _support_label(support),
        shape, event_dim, tuple(plates), unconstrained, discrete,
    )


def _label(distribution: Any) -> str:
    while type(distribution).__name__ in ("Independent", "MaskedDistribution", "ExpandedDistribution"):
        distribution = distribution.base_dist
    return type(distribution).__name__


def _support_label(support: Any) -> str:
    text = repr(support).removesuffix("()")
    return text if len(text) < 60 else type(support).__name__.strip("_").lower()

