"""Critic, guide and program: where they come from, and whose parameters are whose."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probgen.errors import ModelError, OptionError
from probgen.learn.adversarial.sides import Draw, Sides, has_density
from probgen.learn.variational.run import Message, log_prob

__all__ = ["Owners", "found_critic", "found_guide", "holds", "share_out"]

Parameters = dict[str, nn.Parameter]


@dataclass(eq=False)
class Owners:
    """Parameters by player and name, and the modules they are in.

    Attributes
    ----------
    modules, parameters: of "critic" and "program".
    guide_with: players that have parameters of the guide.
    stale: whether the critic's update changes what the program's draws were made with.

    """

    modules: dict[str, nn.Module]
    parameters: dict[str, Parameters]
    guide_with: frozenset[str]
    stale: bool


def found_critic(given: Any, model: nn.Module) -> nn.Module:
    """The model's own critic, the one given, copied unless parts are the model's, or one made."""
    if given is None:
        own = getattr(model, "critic", None)
        if not isinstance(own, nn.Module):
            raise ModelError(
                f"{type(model).__name__} has no critic: give it a module `critic`, or pass one, "
                "Adversarial(critic=module)."
            )
        return own
    if isinstance(given, nn.Module):
        return _apart(given, model)
    try:
        made = given()
    except TypeError as error:
        raise OptionError(
            f"Adversarial(critic={given!r}): a function makes the critic and is called without "
            f"arguments ({error}): give a module whose forward takes the sites, or a function "
            "that makes one."
        ) from error
    if not isinstance(made, nn.Module):
        raise OptionError(f"Adversarial(critic={given!r}) made {made!r}: it must be a module.")
    return _moved(made, model)


def found_guide(given: Any, model: nn.Module) -> Callable[..., Any] | None:
    """The model's own guide if it has one, or the one given, copied as a critic is."""
    if given is None:
        own = getattr(model, "guide", None)
        return own if callable(own) else None
    return _apart(given, model) if isinstance(given, nn.Module) else given


def share_out(
    model: nn.Module,
    critic: nn.Module,
    guide: Any,
    sides: Sides,
    draw: Draw,
    runs: list[dict[str, Message]],
) -> Owners:
    """Share parameters out between the players.

    The critic has its own. The guide's others are with the critic, or with the program where the
    guide draws a site of the game or the program uses them, too. The rest is the program's.
    """
    module = guide if isinstance(guide, nn.Module) and not holds(model, guide) else None
    named: dict[int, str] = {}
    everything: Parameters = {}
    for owner, part in (("", model), ("critic: ", critic), ("guide: ", module)):
        for name, parameter in () if part is None else part.named_parameters():
            if id(parameter) not in named:
                named[id(parameter)] = f"{owner}{name}"
                everything[f"{owner}{name}"] = parameter
    critics = {named[id(p)] for p in critic.parameters()}
    by_program = reached((m["value"] for m in draw.fake.values()), everything)
    by_guide = reached((t for run in runs for t in _learned(run)), everything)
    if isinstance(guide, nn.Module):
        by_guide |= {named[id(p)] for p in guide.parameters()}
    apart = by_guide - critics - by_program
    mine = critics if sides.from_guide else critics | apart
    parameters = {
        "critic": {n: p for n, p in everything.items() if n in mine},
        "program": {n: p for n, p in everything.items() if n not in mine},
    }
    modules: dict[str, nn.Module] = {"critic": critic, "program": model}
    if module is not None:
        player, other = ("program", "model") if sides.from_guide else ("critic", "critic")
        modules[player] = nn.ModuleDict({other: modules[player], "guide": module})
    drawn = by_program | (by_guide if sides.from_guide else set())
    guide_with = {player for player, owned in parameters.items() if by_guide & set(owned)}
    return Owners(modules, parameters, frozenset(guide_with), bool(drawn & mine))


def reached(values: Iterable[Any], parameters: Parameters) -> set[str]:
    """Names of the parameters that values depend on."""
    ends = [v.double().sum() for v in values if isinstance(v, Tensor) and v.requires_grad]
    learned = {name: p for name, p in parameters.items() if p.requires_grad}
    if not ends or not learned:
        return set()
    total = torch.stack(ends).sum()
    found = torch.autograd.grad(total, list(learned.values()), allow_unused=True)
    return {name for name, gradient in zip(learned, found, strict=True) if gradient is not None}


def _learned(run: dict[str, Message]) -> Iterator[Any]:
    for message in run.values():
        yield message["value"]
        if has_density(message):
            yield log_prob(message)


def holds(model: nn.Module, part: Any) -> bool:
    """Whether a module is one of the model's."""
    return any(part is module for module in model.modules())


def _apart(given: nn.Module, model: nn.Module) -> nn.Module:
    """A copy of a module, or the module itself where it has parameters of the model."""
    own = set(model.parameters())
    shared = any(parameter in own for parameter in given.parameters())
    return _moved(given if shared or holds(model, given) else copy.deepcopy(given), model)


def _moved(module: nn.Module, model: nn.Module) -> nn.Module:
    first = next(model.parameters(), None)
    return module if first is None else module.to(first.device, first.dtype)
