"""One run of a program at set values of its sites, and what differs between two such runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pyro.poutine.messenger import Messenger

from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.evaluation import Program
from probgen.declare.placing import PlacePrior
from probgen.declare.sites import is_implicit, is_statement, sample_sites, site_kind

__all__ = ["moved_sites", "run_at"]


class _Hold(Messenger):
    """Gives every site a set value, deterministic and observed ones included."""

    def __init__(self, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.values = values
        self.computed: dict[str, torch.Tensor] = {}
        self.prior = PlacePrior()

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_statement(msg):
            return
        name, kind = msg["name"], site_kind(msg)
        if kind == "deterministic":
            self.computed[name] = _location(msg["fn"])
        fits = name in self.values and self.values[name].shape == msg["fn"].shape()
        if fits and kind != "factor":
            msg["value"], msg["done"] = self.values[name], True
        else:
            self.prior._pyro_sample(msg)


def _location(distribution: Any) -> torch.Tensor:
    while hasattr(distribution, "base_dist"):
        distribution = distribution.base_dist
    return distribution.mean  # of a Delta, and of an implicit site


def run_at(
    program: Program,
    values: Mapping[str, torch.Tensor],
    seed: int,
    base: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Messages of a run by site, each with its `score`; None when the program fails.

    The score of a site is its density at the value it has in `base` and at one more, or the
    computed value of a deterministic site.
    """
    hold = _Hold(values)
    with tracing(), double_precision(program.needs_widening), isolated(seed), torch.no_grad():
        try:
            trace = program.trace_with(hold)
            messages = dict(sample_sites(trace))
            for name, message in messages.items():
                message["score"] = _score(name, message, (base or {}).get(name), hold.computed)
        except Exception:
            return None
    return messages


def _score(
    name: str, message: dict[str, Any], base: Any, computed: Mapping[str, torch.Tensor]
) -> list[torch.Tensor]:
    """What a change of another site may move."""
    if site_kind(message) == "deterministic":
        return [computed.get(name, message["value"])]
    distribution = message["fn"]
    if is_implicit(message):
        return [distribution.mean]
    at = [message["value"] if base is None else base["value"]]
    at.append(at[0] if base is None else base["second"])
    if base is None:
        at[1] = message["second"] = _second_value(message)
    scores = []
    for value in at:
        try:
            score = distribution.log_prob(value)
        except (RuntimeError, ValueError, IndexError):
            scores.append(torch.tensor(torch.nan))
            continue
        mask = message["mask"]
        if mask is not None:
            score = torch.where(torch.as_tensor(mask), score, torch.zeros(()))
        scores.append(score * message["scale"])
    return scores


def _second_value(message: Mapping[str, Any]) -> torch.Tensor:
    """Another value of a site, since one value may be as likely whatever the parents are."""
    try:
        return message["fn"].sample()
    except (NotImplementedError, RuntimeError, ValueError):
        return message["value"]


def moved_sites(
    base: Mapping[str, Any], run: Mapping[str, Any], names: Mapping[str, Any]
) -> set[str]:
    """Sites whose score differs between two runs, or that only one of them has."""
    moved = set()
    for name in names:
        if name not in base or name not in run:
            moved.add(name)
            continue
        pairs = zip(base[name]["score"], run[name]["score"], strict=False)
        if not all(_same(a, b) for a, b in pairs):
            moved.add(name)
    return moved


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not a.is_floating_point():
        return bool((a == b).all())
    return bool(torch.isclose(a, b, rtol=1e-11, atol=0.0, equal_nan=True).all())
