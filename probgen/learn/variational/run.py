"""Guide and program run once, their sites collected by a handler that does nothing else.

A trace of Pyro copies every message and keeps a graph; here the messages themselves are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor

__all__ = ["Collect", "Message", "Run", "is_auxiliary", "log_prob"]

Message = dict[str, Any]
"""What Pyro passes around for one statement of a program."""


class Collect(Messenger):
    """Collects the sample statements of a run by name, deterministic ones left out.

    Args:
        values: of latent sites and of subsampled plates, from a run of the guide; None draws.
        detach: whether values drawn are constants of what follows.
        simulate: whether observed sites are drawn, too.

    """

    def __init__(
        self,
        values: Mapping[str, Message] | None = None,
        detach: bool = False,
        simulate: bool = False,
    ) -> None:
        super().__init__()
        self.sites: dict[str, Message] = {}
        self.plates: dict[str, Message] = {}  # the messages by which plates draw their rows
        self.observed: dict[str, Tensor] = {}  # what simulated sites had been given
        self._values: Mapping[str, Message] = {} if values is None else values
        self._detach, self._simulate = detach, simulate

    def _process_message(self, msg: Any) -> None:
        if msg["type"] != "sample":
            return
        name = msg["name"]
        if msg["is_observed"]:
            if self._simulate and not msg["infer"].get("_deterministic"):
                self.observed[name] = msg["value"]
                msg["value"], msg["done"], msg["is_observed"] = None, False, False
                msg["infer"] = {**msg["infer"], "was_observed": True}
        elif name in self._values:
            msg["value"], msg["done"] = self._values[name]["value"], True

    def _postprocess_message(self, msg: Any) -> None:
        if msg["type"] != "sample" or msg["infer"].get("_deterministic"):
            return
        if type(msg["fn"]).__name__ == "_Subsample":
            self.plates[msg["name"]] = msg
            return
        if self._detach and isinstance(msg["value"], Tensor):
            msg["value"] = msg["value"].detach()
        self.sites[msg["name"]] = msg


class Run:
    """The sites of a guide and of the program at the guide's values.

    Attributes
    ----------
    guide, model: messages by the names of their sites.
    observed: what observed sites had been given, if they were simulated.
    particles: draws of the guide in them, laid out by a plate at `dim` where `dim` is not None.

    """

    def __init__(
        self, guide: Collect, model: Collect, particles: int = 1, dim: int | None = None
    ) -> None:
        self.guide, self.model, self.observed = guide.sites, model.sites, model.observed
        self.particles, self.dim = particles, dim


def is_auxiliary(message: Message) -> bool:
    """Whether a site of a guide has no counterpart in the program."""
    return bool(message["infer"].get("is_auxiliary"))


def log_prob(message: Message) -> Tensor:
    """Log density of a site's value, masked but not scaled."""
    found = message["fn"].log_prob(message["value"], *message["args"], **message["kwargs"])
    mask = message["mask"]
    if mask is None or mask is True:
        return found
    if mask is False:
        return torch.zeros_like(found)
    return torch.where(mask, found, found.new_zeros(()))
