"""The learner of a program and its guide: one player, one gradient step of an objective."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probgen.errors import OptionError, ProbgenError
from probgen.learn.training.guard import NotFinite
from probgen.learn.training.optimisers import named_optimiser
from probgen.learn.training.protocol import Batch, Player
from probgen.learn.unvalidated import unvalidated
from probgen.learn.variational.checks import check_scored
from probgen.learn.variational.layout import probe
from probgen.learn.variational.objectives import ELBO, EnergyDistance
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.trouble import explained

if TYPE_CHECKING:
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop
    from probgen.learn.training.options import TrainingOptions

__all__ = ["VariationalLearner", "make_learner"]

_NETWORK, _NAMED = 1e-3, 1e-2  # learning rates of guides with networks, and of named ones


def make_learner(
    svi: Any, model: nn.Module, info: DataInfo, options: TrainingOptions
) -> VariationalLearner:
    """The learner of `SVI` for a module; see `SVI` and `probgen.learn.variational.layout`.

    Raises `ModelError`, `OptionError` for programs, guides and objectives that do not go together.
    """
    if svi.gradient == "path":
        raise OptionError(
            "SVI(gradient='path') is for guides by name in infer: fit differentiates the density "
            "of the guide in full. Leave gradient out."
        )
    return VariationalLearner(svi, model, info)


class VariationalLearner:
    """Program, guide, and an estimator of the objective.

    Args:
        svi: guide, objective, optimiser, learning rate and particles.
        model: the program; its parameters change in place.
        info: the training data.

    """

    criterion = "loss"
    validated = False

    def __init__(self, svi: Any, model: nn.Module, info: DataInfo) -> None:
        self.objective = ELBO() if svi.objective is None else svi.objective
        if not isinstance(self.objective, EnergyDistance):  # which compares draws
            check_scored(model, info.sample(2))
        self.pair = Pair(model, svi.guide, info.sample(2), svi)
        self.layout = probe(self.pair, info)
        self.estimator = self.objective.estimator(self.pair, self.layout, svi.particles)
        self.describe = dict(self.estimator.describe)
        self.units = dict.fromkeys(self.describe, "nats per row")
        module = self.pair.module
        weights = [p for p in module.parameters() if p.requires_grad]
        optimiser = named_optimiser([{"params": weights}], svi.optimiser, fused=True)
        rate = svi.learning_rate
        if rate is None:
            rate = _NAMED if self.pair.named else _NETWORK
        self.players = {"model": Player(module, optimiser, rate)}
        self._kl_weight = getattr(self.objective, "kl_weight", 1.0)
        self._constant = self._kl_weight == 1.0
        self._info = info
        self._watched = info.device.type == "cpu"  # elsewhere to look at a loss is to wait

    @property
    def summary(self) -> dict[str, Any]:
        """What was chosen: the estimator, and the guide."""
        guide = self.pair.named or ("own" if self.pair.own else "given")
        chosen = {"objective": repr(self.objective), "estimator": self.estimator.label}
        return {**chosen, "guide": guide}

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What is trained beside the model."""
        self.pair.rebind()
        return self.pair.parts

    @property
    def notes(self) -> list[str]:
        """Sentences about the choices."""
        return list(self.estimator.notes)

    def step(self, batch: Batch, loop: Loop) -> dict[str, Tensor]:
        """Gradient of one minibatch, and the update."""
        weight = 1.0 if self._constant else loop.value(self._kl_weight)
        before = torch.get_rng_state() if self._watched else None
        try:
            with unvalidated():
                found = self.estimator.backward(batch, weight)
        except ProbgenError:
            raise
        except (RuntimeError, ValueError) as error:
            if before is None or not self._explain(batch, loop, before, error):
                raise
        if before is not None and not math.isfinite(found["loss"].item()):
            self._explain(batch, loop, before)
        loop.update("model")
        return found

    def validate(self, batch: Batch, loop: Loop) -> dict[str, Tensor]:
        """The loss on validation rows, latent sites weighted by 1."""
        with unvalidated():
            return self.estimator.evaluate(batch)

    def state(self) -> dict[str, Tensor]:
        """Running means of the estimator."""
        return self.pair.baselines()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.pair.put_baselines(state)

    def _explain(
        self, batch: Batch, loop: Loop, before: Tensor, error: Exception | None = None
    ) -> bool:
        """Raise `NotFinite` for a step that came to nothing, before it changes any parameter.

        Returns False where an error has no explanation in a run of guide and program.
        """
        torch.set_rng_state(before)
        if error is not None and not _is_numerical(error):
            return False
        told = explained(self.pair, self.layout, batch, self._numbers(loop))
        raise NotFinite(told) from error

    def _numbers(self, loop: Loop) -> Tensor | None:
        """Where the rows of a batch stand in the data that were given."""
        places = getattr(self._info.data, "numbers", None)
        return loop.rows if loop.rows is None or places is None else places[loop.rows]


def _is_numerical(error: Exception) -> bool:
    """Whether an error comes from numbers rather than from the program's shapes or names."""
    words = str(error)
    return isinstance(error, torch.linalg.LinAlgError) or any(
        part in words for part in ("Expected parameter", "Expected value", "positive-definite")
    )
