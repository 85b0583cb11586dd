"""What the metrics of a game are, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probgen.learn.adversarial.games import Bidirectional, FeatureMatching, Minimax, NonSaturating

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial

__all__ = ["metric_words"]

_NATS = (Minimax, NonSaturating, Bidirectional)


def metric_words(
    method: Adversarial, labels: list[str]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Descriptions and units of metrics by name, and what only watches the training."""
    game = method.game
    losses = game.formula.removeprefix("critic ").split("; ")
    describe = {
        "critic": f"the critic's loss in the game, {losses[0]}",
        "program": f"the program's loss in the game, {_formula(losses[-1])}",
    }
    describe["energy_distance"] = (
        "energy distance between draws of the program and rows, over sites of real numbers"
    )
    units: dict[str, str] = {}
    if isinstance(game, _NATS):
        units = {"critic": "nats per row", "program": "nats per row"}
    elif isinstance(game, FeatureMatching):
        units = {"critic": "nats per row"}
    for penalty, label in zip(method.penalties, labels, strict=True):
        describe[label] = f"the {penalty.step_of}'s penalty before its weight, {penalty.measured}"
    for code in method.codes:
        for side, counts in (("", code.fake), ("_real", code.real)):
            if counts:
                rows = "labelled rows of the data" if side else "draws of the program"
                name = f"code_{code.site}{side}"
                describe[name] = f"-E[log guide({code.site} | others)] over {rows}"
                units[name] = "nats per row"
    monitors = {
        "score_real": "the critic's mean score of real rows",
        "score_fake": "the critic's mean score of fake rows",
        "augmentation": "the probability of each augmentation",
    }
    return describe, units, monitors


def _formula(told: str) -> str:
    """What follows the names of those whose loss it is."""
    return told.removeprefix("program ").removeprefix("and guide ")
