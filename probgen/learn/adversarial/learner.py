"""The learner of a game: a critic and a program, and the turns they take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from probgen.learn.adversarial.held_out import energy_distance
from probgen.learn.adversarial.once import Once
from probgen.learn.adversarial.setup import make_setup
from probgen.learn.adversarial.sides import Draw
from probgen.learn.adversarial.situation import Situation, leaves
from probgen.learn.adversarial.terms import Terms
from probgen.learn.adversarial.trouble import Trouble
from probgen.learn.adversarial.words import metric_words
from probgen.learn.training.guard import NotFinite
from probgen.learn.training.optimisers import named_optimiser
from probgen.learn.training.protocol import Batch, Player
from probgen.learn.unvalidated import unvalidated
from probgen.learn.variational.pair import plainly

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial
    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.loop import Loop

__all__ = ["AdversarialLearner"]

_WITH_BETAS = ("adam", "adamw", "nadam", "radam", "adamax")
Found = dict[str, Tensor]


class AdversarialLearner:
    """Critic and program, and what each descends.

    On a minibatch the program draws once. The critic sees the draws cut off from the program, and
    learns; the program's loss then goes through the same draws and the critic as it has become,
    whose own weights are constants meanwhile.

    Args:
        method: the settings.
        model: the program; its parameters change in place.
        info: the training data.

    """

    criterion = "energy_distance"
    validated = False

    def __init__(self, method: Adversarial, model: nn.Module, info: DataInfo) -> None:
        self.method = method
        self.setup = setup = make_setup(method, model, info)
        self.sides, self.critic = setup.sides, plainly(setup.critic)
        self.parts, self.notes = setup.parts, setup.notes
        self.terms = Terms(method, setup, info.device)
        self._parameters = setup.owners.parameters
        self.players = {
            name: self._player(name, setup.owners.modules[name]) for name in ("critic", "program")
        }
        self._once = Once(setup.shared)
        self._info = info
        self._watched = info.device.type == "cpu"  # elsewhere to look at a loss is to wait
        self.describe, self.units, self.monitors = metric_words(method, self.terms.labels)

    @property
    def summary(self) -> dict[str, Any]:
        """What was chosen."""
        return {"game": repr(self.method.game), "sites": ", ".join(self.sides.sites)}

    def step(self, batch: Batch, loop: Loop) -> Found:
        """The turns of one minibatch."""
        critic_turn, program_turn = self.method.schedule.turns(loop.clock)
        metrics: Found = {}
        with unvalidated():
            with torch.set_grad_enabled(program_turn):
                draw = self.sides.draw(batch)
            if critic_turn:
                with self._once:
                    loss, judged = self._critic_loss(draw, loop, metrics)
                    self._update("critic", loss, judged, draw, loop, metrics)
            if program_turn:
                if critic_turn and self.setup.owners.stale:
                    draw = self.sides.draw(batch)
                with self._once, _fixed(self._parameters["critic"].values()):
                    loss, judged = self._program_loss(draw, loop, metrics)
                    self._update("program", loss, judged, draw, loop, metrics)
        return metrics

    def _critic_loss(self, draw: Draw, loop: Loop, metrics: Found) -> tuple[Tensor, Found]:
        """The loss, and the scores of both sides."""
        method = self.method
        due = self.terms.due("critic", method.schedule.done(loop.clock)[0])
        real, fake = (tuple(v.detach() for v in side) for side in self.sides.values(draw))
        real, fake = self.terms.augmented(real, loop), self.terms.augmented(fake, loop)
        differentiated = {side for penalty, _ in due for side in penalty.differentiates}
        real = leaves(real) if "real" in differentiated else real
        fake = leaves(fake) if "fake" in differentiated else fake
        at = Situation(
            self.critic,
            real,
            fake,
            parameters=self._parameters["critic"],
            module=self.setup.owners.modules["critic"],
            sites=self.sides.sites,
        )
        scores = at.scores("real"), at.scores("fake")
        loss = method.game.critic(*scores)
        metrics["critic"] = loss.detach()
        metrics["score_real"], metrics["score_fake"] = (s.detach().mean() for s in scores)
        loss = self.terms.penalised(loss, due, at, loop, metrics)
        loss = self.terms.coded(loss, "critic", draw, self._seen(real, fake), loop, metrics)
        self.terms.observe(scores[0], loop, metrics)
        return loss, {"real": scores[0], "fake": scores[1]}

    def _program_loss(self, draw: Draw, loop: Loop, metrics: Found) -> tuple[Tensor, Found]:
        """The loss, and the scores or features of the sides that it looks at."""
        method, game = self.method, self.method.game
        due = self.terms.due("program", method.schedule.done(loop.clock)[1])
        real, fake = self.sides.values(draw)
        real = self.terms.augmented(real, loop) if game.both else real
        fake = self.terms.augmented(fake, loop)
        at = Situation(
            self.critic,
            real,
            fake,
            parameters=self._parameters["program"],
            module=self.setup.owners.modules["program"],
            encode=self.setup.encode,
            drawn=draw.fake,
            sites=self.sides.sites,
            again=lambda held: self.sides.draw(draw.batch, held).fake,
        )
        if game.features:
            theirs, ours = self.setup.features(*real), self.setup.features(*fake)
        else:
            ours = at.scores("fake")
            theirs = at.scores("real") if game.both else ours
        loss = game.player(theirs, ours)
        metrics["program"] = loss.detach()
        loss = self.terms.penalised(loss, due, at, loop, metrics)
        loss = self.terms.coded(loss, "program", draw, self._seen(real, fake), loop, metrics)
        return loss, {"real": theirs, "fake": ours} if game.both or game.features else {
            "fake": ours
        }

    def _seen(self, *sides: tuple[Tensor, ...]) -> tuple[Found, Found]:
        """Values of the sites by name, real and fake, that a guide may share with the critic."""
        if self.method.augment or not self.method.codes:
            return {}, {}
        real, fake = (dict(zip(self.sides.sites, side, strict=True)) for side in sides)
        return real, fake

    def _update(
        self, player: str, loss: Tensor, judged: Found, draw: Draw, loop: Loop, metrics: Found
    ) -> None:
        if self._watched and not math.isfinite(loss.item()):
            terms = {**self.describe, **self.monitors}
            found = Trouble(
                self.sides, self._parameters, draw, judged, metrics, terms, self._numbers(loop)
            )
            raise NotFinite(found.explained(player))
        loop.backward(loss, player)
        loop.update(player)

    def validate(self, batch: Batch, loop: Loop) -> Found:
        """How the game stands on rows that were not trained on, and a distance without critic."""
        with unvalidated():
            draw = self.sides.draw(batch)
            real, fake = self.sides.values(draw)
            scores = self.critic(*real), self.critic(*fake)
        found = {"critic": self.method.game.critic(*scores), "score_real": scores[0].mean()}
        apart = energy_distance(fake, real)
        return found if apart is None else {"energy_distance": apart, **found}

    def state(self) -> Found:
        """Running means of penalties, and the strength of augmentations."""
        return self.terms.state()

    def load_state(self, state: Found) -> None:
        """Go on from what `state` gave."""
        self.terms.load_state(state)

    def _player(self, name: str, module: nn.Module) -> Player:
        method = self.method
        rate = method.learning_rate
        if name == "critic" and method.critic_learning_rate is not None:
            rate = method.critic_learning_rate
        known = isinstance(method.optimiser, str) and method.optimiser.lower() in _WITH_BETAS
        settings = {"betas": method.betas} if known else {}
        weights = [p for p in self._parameters[name].values() if p.requires_grad]
        groups = [{"params": weights}]
        optimiser = named_optimiser(groups, method.optimiser, fused=True, **settings)
        return Player(module, optimiser, rate, averaged=name == "program")

    def _numbers(self, loop: Loop) -> Tensor | None:
        """Where the rows of a batch stand in the data that were given."""
        places = getattr(self._info.data, "numbers", None)
        return loop.rows if loop.rows is None or places is None else places[loop.rows]


@contextmanager
def _fixed(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Parameters without gradients: what depends on them alone costs no backward pass."""
    learned = [p for p in parameters if p.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
